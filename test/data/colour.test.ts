import { describe, expect, it } from "vitest";
import { type ColourChange, drawJitter } from "../../src/data/colour.ts";
import { recolour } from "../../src/data/recolour.ts";
import { Rng } from "../../src/data/rng.ts";
import { liveTensors } from "../../src/torch/index.ts";
import { readGolden } from "../helpers/golden.ts";

interface Entry {
  amount: number;
  data: number[];
}

const golden = readGolden<{
  shape: [number, number, number];
  data: number[];
  changes: Record<ColourChange["kind"], Entry[]>;
  blur: Entry[];
}>("pillow-colour");
const [height, width] = golden.shape;

/** The golden picture after changes and a blur. */
async function changed(colours: ColourChange[], blur = 0): Promise<number[]> {
  const pixels = Uint8Array.from(golden.data);
  await recolour(pixels, { height, width, draws: { colours, blur } });
  return [...pixels];
}

describe("colour changes", () => {
  const cases = Object.entries(golden.changes).flatMap(([kind, entries]) =>
    entries.map(({ amount, data }) => ({ kind: kind as ColourChange["kind"], amount, data })),
  );
  it.each(cases)("changes $kind by $amount to the bytes that Pillow gives", async ({ kind, amount, data }) => {
    expect(await changed([{ kind, amount }])).toEqual(data);
  });

  it("apply in the order given", async () => {
    const bright = { kind: "brightness", amount: 1.25 } as const;
    const flat = { kind: "contrast", amount: 0.75 } as const;
    expect(await changed([bright, flat])).not.toEqual(await changed([flat, bright]));
    expect(await changed([])).toEqual(golden.data);
  });

  it.each([0.8, 0.93, 1.07, 1.2])("round the product of a blend before the sum, as at %d", async (amount) => {
    // Two grey levels in equal parts, so that contrast blends from their mean: every distance from 0 to 255 of even pairs.
    const factor = Math.fround(amount);
    for (let mean = 0; mean < 256; mean++) {
      for (const distance of [1, 2, 3, 5, 10, 50, 100, 127]) {
        const [low, high] = [mean - distance, mean + distance];
        if (low < 0 || high > 255) continue;
        const pixels = Uint8Array.from([low, low, low, high, high, high]);
        await recolour(pixels, { height: 1, width: 2, draws: { colours: [{ kind: "contrast", amount }], blur: 0 } });
        const wanted = [low, high].map((to) => Math.fround(mean + Math.fround(factor * (to - mean))));
        const bytes = wanted.map((value) => Math.max(0, Math.min(255, Math.trunc(value))));
        expect([pixels[0], pixels[3]], `${low} and ${high}`).toEqual(bytes);
      }
    }
  });

  it("blur a single row and a single column alike", async () => {
    const line = Array.from({ length: 9 }, (_, i) => [(i * 37) % 256, (i * 91) % 256, (i * 13) % 256]).flat();
    const [row, column] = [Uint8Array.from(line), Uint8Array.from(line)];
    const draws = { colours: [], blur: 4 };
    await recolour(row, { height: 1, width: 9, draws });
    await recolour(column, { height: 9, width: 1, draws });
    expect([...row]).toEqual([...column]);
    expect([...row]).not.toEqual(line);
  });

  it("leave no tensor behind, nor while they are made", async () => {
    const before = liveTensors();
    const pixels = Uint8Array.from(golden.data);
    const done = recolour(pixels, { height, width, draws: { colours: [{ kind: "hue", amount: 0.2 }], blur: 1 } });
    expect(liveTensors()).toBe(before);
    await done;
    expect(liveTensors()).toBe(before);
  });

  it("refuse bytes that are no picture, naming the operator", async () => {
    const draws = { colours: [{ kind: "hue", amount: Number.NaN } as const], blur: 0 };
    const wrong = recolour(new Uint8Array(12), { height: 2, width: 2, draws });
    await expect(wrong).rejects.toThrow(
      /csrm::recolour_: expected a finite amount, got nan\n {2}arguments: pixels uint8\[2,2,3\]/,
    );
  });
});

describe("drawJitter", () => {
  const options = { probability: 0.8, brightness: 0.25, contrast: 0.2, saturation: 0.1, hue: 0.25 };
  const drawn = Array.from({ length: 4000 }, (_, i) => drawJitter(new Rng("jitter", i), options));
  const jittered = drawn.filter((changes) => changes.length > 0);

  it("changes as many pictures as it should", () => {
    expect(Math.abs(jittered.length / 4000 - 0.8)).toBeLessThan(0.02);
    expect(jittered.every((changes) => changes.length === 4)).toBe(true);
  });

  it.each([
    ["brightness", 0.75, 1.25],
    ["contrast", 0.8, 1.2],
    ["saturation", 0.9, 1.1],
    ["hue", -0.25, 0.25],
  ] as const)("draws %s evenly from its range", (kind, least, most) => {
    const amounts = jittered.map((changes) => changes.find((change) => change.kind === kind)!.amount);
    const places = amounts.map((amount) => (amount - least) / (most - least)).sort((a, b) => a - b);
    // Kolmogorov and Smirnov's statistic; 0.03 is beyond the 0.1 % level for 3,200 draws.
    const gap = Math.max(...places.map((place, i) => Math.abs(place - (i + 0.5) / places.length)));
    expect(gap).toBeLessThan(0.035);
    expect(places[0]).toBeGreaterThanOrEqual(0);
    expect(places.at(-1)).toBeLessThan(1);
  });

  it("takes the changes in every order equally often", () => {
    const orders = new Map<string, number>();
    for (const changes of jittered) {
      const key = changes.map((change) => change.kind[0]).join("");
      orders.set(key, (orders.get(key) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    for (const count of orders.values()) expect(Math.abs(count / jittered.length - 1 / 24)).toBeLessThan(0.015);
  });

  it("leaves alone what has no range, without another draw for the rest", () => {
    const without = Array.from({ length: 50 }, (_, i) => drawJitter(new Rng("jitter", i), { ...options, hue: 0 }));
    expect(without).toEqual(drawn.slice(0, 50).map((changes) => changes.filter(({ kind }) => kind !== "hue")));
  });
});

describe("the blur", () => {
  it.each(golden.blur)("of $amount pixels gives Pillow's bytes", async ({ amount, data }) => {
    expect(await changed([], amount)).toEqual(data);
  });

  it("keeps a picture of one colour, a single pixel, and everything at 0", async () => {
    const flat = new Uint8Array(5 * 4 * 3).fill(77);
    await recolour(flat, { width: 5, height: 4, draws: { colours: [], blur: 3 } });
    expect(new Set(flat)).toEqual(new Set([77]));
    const pixel = Uint8Array.of(1, 2, 3);
    await recolour(pixel, { width: 1, height: 1, draws: { colours: [], blur: 1 } });
    expect([...pixel]).toEqual([1, 2, 3]);
    expect(await changed([], 0)).toEqual(golden.data);
  });

  it("spreads a point with the variance asked for", async () => {
    const size = 41;
    const sigma = 2;
    const pixels = new Uint8Array(size * size * 3);
    for (let y = 0; y < size; y++) pixels.fill(255, (y * size + 20) * 3, (y * size + 20) * 3 + 3); // a bright column
    await recolour(pixels, { width: size, height: size, draws: { colours: [], blur: sigma } });
    const row = Array.from({ length: size }, (_, x) => pixels[(20 * size + x) * 3]!);
    const sum = row.reduce((total, value) => total + value, 0);
    const variance = row.reduce((total, value, x) => total + value * (x - 20) ** 2, 0) / sum;
    expect(Math.abs(Math.sqrt(variance) - sigma)).toBeLessThan(0.1);
  });
});
