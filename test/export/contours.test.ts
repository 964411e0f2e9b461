import { describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { traceRings } from "../../src/export/contours.ts";
import { findRegions } from "../../src/export/regions.ts";
import { fillRing } from "./raster.ts";

/** A label map from rows of digits; "." is 0. */
function mapOf(...rows: string[]) {
  const data = Uint8Array.from(rows.join("").replaceAll(".", "0"), Number);
  return { data, width: rows[0]!.length, height: rows.length };
}
const foreground = (label: number) => label > 0 && label < 255;

describe("regions", () => {
  it("are pixels of one label that share sides, in the order of their first pixels", () => {
    const { ids, regions } = findRegions(mapOf("1.22", "1.2.", ".1.3"), foreground);
    expect([...ids].join("")).toBe("102210200304");
    expect(regions).toEqual([
      { id: 1, label: 1, area: 2, box: { x: 0, y: 0, width: 1, height: 2 } },
      { id: 2, label: 2, area: 3, box: { x: 2, y: 0, width: 2, height: 2 } },
      { id: 3, label: 1, area: 1, box: { x: 1, y: 2, width: 1, height: 1 } },
      { id: 4, label: 3, area: 1, box: { x: 3, y: 2, width: 1, height: 1 } },
    ]);
  });

  it("do not hang together over the ends of rows", () => {
    expect(findRegions(mapOf("..1", "1.."), foreground).regions.length).toBe(2);
  });

  it("are one a label when merged", () => {
    const { regions } = findRegions(mapOf("2.11", "...1", "1..."), foreground, true);
    expect(regions.map(({ label, area, box }) => [label, area, box.x, box.y, box.width, box.height])).toEqual([
      [1, 4, 0, 0, 4, 3],
      [2, 1, 0, 0, 1, 1],
    ]);
  });
});

describe("rings", () => {
  const rings = (...rows: string[]) => traceRings(findRegions(mapOf(...rows), foreground));

  it("go along the edges of pixels, clockwise, with corners only", () => {
    expect(rings("...", ".1.", "...")).toEqual([[[2, 1, 2, 2, 1, 2, 1, 1]]]);
    const [[ring]] = rings("111", "1..") as [[number[]]];
    expect(ring.length).toBe(12);
  });

  it("go into holes and back the same way", () => {
    const [[ring]] = rings("111", "1.1", "111") as [[number[]]];
    const mask = new Uint8Array(9);
    fillRing(ring, mask, 3);
    expect([...mask].join("")).toBe("111101111");
  });

  // Half of the pixels set at random make holes in holes, diagonal neighbours and all that touches the borders.
  it.each([
    [1, 1, 1],
    [2, 3, 2],
    [17, 23, 2],
    [40, 31, 2],
    [40, 31, 3],
    [33, 40, 6],
  ])("of any map of %i × %i pixels and %i labels hold exactly the mask, by centres", (height, width, labels) => {
    const rng = new Rng(height * 100 + labels);
    for (const merge of [false, true]) {
      const data = Uint8Array.from({ length: height * width }, () => rng.int(labels));
      const found = findRegions({ data, width, height }, () => true, merge);
      for (const [i, list] of traceRings(found).entries()) {
        const mask = new Uint8Array(data.length);
        for (const ring of list) fillRing(ring, mask, width);
        const wanted = Uint8Array.from(found.ids, (id) => (id === i + 1 ? 1 : 0));
        expect(Buffer.from(mask).equals(wanted)).toBe(true);
        if (!merge) expect(list.length).toBe(1);
      }
    }
  });

  it("of many holes in a row do not exhaust the stack", () => {
    const width = 60_001;
    const data = new Uint8Array(3 * width).fill(1);
    for (let x = 1; x < width; x += 2) data[width + x] = 0;
    const [[ring]] = traceRings(findRegions({ data, width, height: 3 }, foreground)) as [[number[]]];
    let twice = 0;
    for (let i = 0; i < ring.length; i += 2) {
      const j = (i + 2) % ring.length;
      twice += ring[i]! * ring[j + 1]! - ring[j]! * ring[i + 1]!;
    }
    expect(twice / 2).toBe(3 * width - 30_000);
  });
});
