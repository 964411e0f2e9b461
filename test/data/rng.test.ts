import { describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";

const draws = (rng: Rng, n = 8) => Array.from({ length: n }, () => rng.uint32());

describe("Rng", () => {
  it("gives the same numbers on every machine", () => {
    expect(draws(new Rng(0, "order", 7), 4)).toEqual([2661949913, 1288306417, 2406415760, 1457128032]);
  });

  it("makes unrelated streams of seeds that differ in value, kind or order", () => {
    const seeds: (number | string)[][] = [
      [0],
      [-1],
      [1],
      ["1"],
      [1, 0],
      [0, 1],
      ["ab"],
      ["a", "b"],
      [0.5],
      [2 ** 40],
      [],
    ];
    const starts = new Set(seeds.map((seed) => draws(new Rng(...seed)).join()));
    expect(starts.size).toBe(seeds.length);
    expect(draws(new Rng(-0))).toEqual(draws(new Rng(0)));
  });

  it("refuses a seed that is not a finite number", () => {
    expect(() => new Rng(Number.NaN)).toThrow("expected a finite number for a random seed");
  });

  it("is uniform: means, variance and all 16 buckets of neighbouring seeds are where they should be", () => {
    const n = 64_000;
    const buckets = new Array<number>(16).fill(0);
    let [sum, squares] = [0, 0];
    for (let seed = 0; seed < n / 8; seed++) {
      const rng = new Rng("uniform", seed);
      for (let i = 0; i < 8; i++) {
        const x = rng.next();
        buckets[Math.floor(x * 16)]!++;
        sum += x;
        squares += x * x;
      }
    }
    expect(sum / n).toBeCloseTo(1 / 2, 2);
    expect(squares / n).toBeCloseTo(1 / 3, 2);
    const chi2 = buckets.reduce((s, b) => s + (b - n / 16) ** 2 / (n / 16), 0);
    expect(chi2).toBeLessThan(38); // 15 degrees of freedom: 0.1 % of fair generators exceed 37.7
  });

  it("draws integers below n without bias and refuses an impossible n", () => {
    const rng = new Rng(3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) counts[rng.int(3)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(300);
    expect(rng.int(1)).toBe(0);
    for (const n of [0, -1, 1.5, Number.NaN, 2 ** 33]) expect(() => rng.int(n)).toThrow("an integer in 1..2^32");
  });

  it("keeps ranges: from is reached, to is not", () => {
    const rng = new Rng(4);
    for (let i = 0; i < 1000; i++) {
      const x = rng.range(-2, 3);
      expect(x >= -2 && x < 3).toBe(true);
    }
  });

  it("shuffles to every order equally often, in arrays and typed arrays", () => {
    const rng = new Rng(5);
    const seen = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const key = rng.shuffle([1, 2, 3]).join("");
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect([...rng.shuffle(Uint32Array.of(4, 5, 6))].sort()).toEqual([4, 5, 6]);
  });

  it("continues exactly from a state that went through JSON", () => {
    const rng = new Rng(6, "resume");
    draws(rng, 5);
    const state = JSON.parse(JSON.stringify(rng.state()));
    const next = draws(rng);
    const other = new Rng();
    other.restore(state);
    expect(draws(other)).toEqual(next);
  });

  it("refuses a broken state", () => {
    expect(() => new Rng().restore([1, 2, 3])).toThrow("four unsigned 32-bit numbers");
    expect(() => new Rng().restore([1, 2, 3, -4])).toThrow("four unsigned 32-bit numbers");
  });
});
