import { describe, expect, it } from "vitest";
import { gaussianBlur } from "../../src/data/blur.ts";
import { type ColourChange, changeColours, drawJitter } from "../../src/data/colour.ts";
import { Rng } from "../../src/data/rng.ts";
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

describe("changeColours", () => {
  const cases = Object.entries(golden.changes).flatMap(([kind, entries]) =>
    entries.map(({ amount, data }) => ({ kind: kind as ColourChange["kind"], amount, data })),
  );
  it.each(cases)("changes $kind by $amount to the bytes that Pillow gives", ({ kind, amount, data }) => {
    const pixels = Uint8Array.from(golden.data);
    changeColours(pixels, [{ kind, amount }]);
    expect([...pixels]).toEqual(data);
  });

  it("applies changes in the order given", () => {
    const bright = { kind: "brightness", amount: 1.25 } as const;
    const flat = { kind: "contrast", amount: 0.75 } as const;
    const changedBy = (...changes: ColourChange[]) => {
      const pixels = Uint8Array.from(golden.data);
      changeColours(pixels, changes);
      return [...pixels];
    };
    expect(changedBy(bright, flat)).not.toEqual(changedBy(flat, bright));
    expect(changedBy()).toEqual(golden.data);
  });
});

describe("drawJitter", () => {
  const options = { probability: 0.8, brightness: 0.25, contrast: 0.2, saturation: 0.1, hue: 0.25 };
  const drawn = Array.from({ length: 4000 }, (_, i) => drawJitter(new Rng("jitter", i), options));
  const changed = drawn.filter((changes) => changes.length > 0);

  it("changes as many pictures as it should", () => {
    expect(Math.abs(changed.length / 4000 - 0.8)).toBeLessThan(0.02);
    expect(changed.every((changes) => changes.length === 4)).toBe(true);
  });

  it.each([
    ["brightness", 0.75, 1.25],
    ["contrast", 0.8, 1.2],
    ["saturation", 0.9, 1.1],
    ["hue", -0.25, 0.25],
  ] as const)("draws %s evenly from its range", (kind, least, most) => {
    const amounts = changed.map((changes) => changes.find((change) => change.kind === kind)!.amount);
    const places = amounts.map((amount) => (amount - least) / (most - least)).sort((a, b) => a - b);
    // Kolmogorov and Smirnov's statistic; 0.03 is beyond the 0.1 % level for 3,200 draws.
    const gap = Math.max(...places.map((place, i) => Math.abs(place - (i + 0.5) / places.length)));
    expect(gap).toBeLessThan(0.035);
    expect(places[0]).toBeGreaterThanOrEqual(0);
    expect(places.at(-1)).toBeLessThan(1);
  });

  it("takes the changes in every order equally often", () => {
    const orders = new Map<string, number>();
    for (const changes of changed) {
      const key = changes.map((change) => change.kind[0]).join("");
      orders.set(key, (orders.get(key) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    for (const count of orders.values()) expect(Math.abs(count / changed.length - 1 / 24)).toBeLessThan(0.015);
  });

  it("leaves alone what has no range, without another draw for the rest", () => {
    const without = Array.from({ length: 50 }, (_, i) => drawJitter(new Rng("jitter", i), { ...options, hue: 0 }));
    expect(without).toEqual(drawn.slice(0, 50).map((changes) => changes.filter(({ kind }) => kind !== "hue")));
  });
});

describe("gaussianBlur", () => {
  it.each(golden.blur)("of $amount pixels gives Pillow's bytes", ({ amount, data }) => {
    const pixels = Uint8Array.from(golden.data);
    gaussianBlur(pixels, { width, height, sigma: amount });
    expect([...pixels]).toEqual(data);
  });

  it("keeps a picture of one colour, a single row or pixel, and everything at 0", () => {
    const flat = new Uint8Array(5 * 4 * 3).fill(77);
    gaussianBlur(flat, { width: 5, height: 4, sigma: 3 });
    expect(new Set(flat)).toEqual(new Set([77]));
    const pixel = Uint8Array.of(1, 2, 3);
    gaussianBlur(pixel, { width: 1, height: 1, sigma: 1 });
    expect([...pixel]).toEqual([1, 2, 3]);
    const same = Uint8Array.from(golden.data);
    gaussianBlur(same, { width, height, sigma: 0 });
    expect([...same]).toEqual(golden.data);
  });

  it("spreads a point with the variance asked for", () => {
    const size = 41;
    const sigma = 2;
    const pixels = new Uint8Array(size * size * 3);
    for (let y = 0; y < size; y++) pixels.fill(255, (y * size + 20) * 3, (y * size + 20) * 3 + 3); // a bright column
    gaussianBlur(pixels, { width: size, height: size, sigma });
    const row = Array.from({ length: size }, (_, x) => pixels[(20 * size + x) * 3]!);
    const sum = row.reduce((total, value) => total + value, 0);
    const variance = row.reduce((total, value, x) => total + value * (x - 20) ** 2, 0) / sum;
    expect(Math.abs(Math.sqrt(variance) - sigma)).toBeLessThan(0.1);
  });
});
