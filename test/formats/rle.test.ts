import { describe, expect, it } from "vitest";
import { paintRuns, runsOfCounts } from "../../src/formats/coco-runs.ts";
import { encodeRle, rleFromString, rleToString } from "../../src/formats/rle.ts";

/** A mask that a short formula gives in any language: 1 where bits 16 to 18 of a linear congruence are below a limit. */
function mask(height: number, width: number, { seed, limit }: { seed: number; limit: number }) {
  let state = BigInt(seed);
  const data = Uint8Array.from({ length: height * width }, () => {
    state = (state * 1103515245n + 12345n) % 2147483648n;
    return Number((state >> 16n) & 7n) < limit ? 1 : 0;
  });
  return { data, width, height };
}

// What pycocotools 2.0.11 gives for these masks.
const golden = [
  [1, 1, 1, 0, "1"],
  [3, 4, 2, 4, "31100002"],
  [
    200,
    3,
    5,
    1,
    "224O00O0115OJ11O51IO8000I0`00H060C0M07020M0L03001h0OXO0M050I090N070B07040E010O0415OM0J0a01BON050L0N0:0F01010N090K0M000i00I0_O1OO90F090a00XO0`01CO10J0805",
  ],
  [
    2,
    300,
    6,
    7,
    "0;1I10O6010G060L09040@0<1OO60N0A00080N010O0N0L070N0b00\\O040b00]O01081ION0J0;1IOM061MO70L0I0c0030]O000c00ZO08070G1MOM001`0O@0100070:0A00",
  ],
] as const;

describe("run lengths", () => {
  it("go down the columns, those of 0 first", () => {
    const map = { data: Uint8Array.of(1, 0, 0, 1, 1, 0), width: 3, height: 2 };
    expect(encodeRle(map)).toEqual([0, 2, 1, 1, 2]);
    expect(encodeRle(map, { value: 0 })).toEqual([2, 1, 1, 2]);
    expect(encodeRle(map, { value: 7 })).toEqual([6]);
  });

  it.each(golden)("of %i × %i pixels (seed %i, limit %i) become the text that pycocotools writes", (...row) => {
    const [height, width, seed, limit, text] = row;
    const map = mask(height, width, { seed, limit });
    expect(rleToString(encodeRle(map))).toBe(text);
    const data = new Uint8Array(height * width);
    paintRuns(data, runsOfCounts(text, { height, width }, "x"), { height, width, label: 1 });
    expect({ data, width, height }).toEqual(map);
  });

  it("of the tightest box are those of the whole, for small masks of every kind", () => {
    for (let seed = 1; seed < 600; seed++) {
      const map = mask(1 + (seed % 4), 1 + ((seed >> 2) % 5), { seed, limit: 1 + (seed % 6) });
      const at = [...map.data.keys()].filter((i) => map.data[i] === 1);
      if (at.length === 0) continue;
      const [xs, ys] = [at.map((i) => i % map.width), at.map((i) => Math.floor(i / map.width))];
      const [x, y] = [Math.min(...xs), Math.min(...ys)];
      const box = { x, y, width: Math.max(...xs) - x + 1, height: Math.max(...ys) - y + 1 };
      expect(encodeRle(map, { box }), `seed ${seed}`).toEqual(encodeRle(map));
    }
  });

  it("of a part are those of the whole where nothing lies outside of it", () => {
    const map = { data: new Uint8Array(48), width: 8, height: 6 };
    for (const [x, y] of [[2, 1], [2, 5], [3, 5], [4, 0], [4, 5], [5, 3]] as const) map.data[y * 8 + x] = 3; // biome-ignore format: pairs
    const whole = encodeRle(map, { value: 3 });
    for (const box of [
      { x: 2, y: 0, width: 4, height: 6 },
      { x: 0, y: 0, width: 8, height: 6 },
    ]) {
      expect(encodeRle(map, { value: 3, box })).toEqual(whole);
    }
    const lower = { x: 2, y: 3, width: 4, height: 3 };
    const clipped = { ...map, data: map.data.map((value, i) => (Math.floor(i / 8) < 3 ? 0 : value)) };
    expect(encodeRle(map, { value: 3, box: lower })).toEqual(encodeRle(clipped, { value: 3 }));
  });

  it("do not end with an empty one where a part fills the last corner", () => {
    const map = { data: Uint8Array.of(0, 0, 0, 0, 0, 1), width: 2, height: 3 };
    expect(encodeRle(map, { box: { x: 1, y: 2, width: 1, height: 1 } })).toEqual([5, 1]);
    expect(encodeRle(map)).toEqual([5, 1]);
  });

  it("survive text whatever their length", () => {
    const counts = [0, 1, 15, 16, 31, 32, 1023, 1024, 2 ** 20, 1, 2 ** 27, 0, 2 ** 28, 2 ** 28, 0];
    expect(rleFromString(rleToString(counts), "x")).toEqual(counts);
  });
});

describe("damaged masks are refused", () => {
  it.each([
    ["o", "its text is cut off"],
    ["1 2", 'its text holds " "'],
    ["1\u00e4", 'its text holds "\u00e4"'],
    ["ooooooo0", "a count is too large"],
    ["O", "run 1 has the length -1"],
  ])("as the text %j", (text, message) => {
    expect(() => rleFromString(text, "x")).toThrow(`cannot read x as a run-length encoded mask: ${message}`);
  });
});
