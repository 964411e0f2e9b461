/** How often images are drawn; balanced_sample by the formula that scikit-learn documents, n / (2 · count) a class, worked by hand. */
import { describe, expect, it } from "vitest";
import { EpochOrder } from "../../src/data/epoch-order.ts";
import { samplingWeights, systematicDraw } from "../../src/data/sampler.ts";
import type { Sample } from "../../src/data/types.ts";

const samples = (rows: (number[] | null)[]): Sample[] =>
  rows.map((row, i) => ({ id: `${i}`, image: `${i}.png`, tags: row && Uint8Array.from(row) }));
const some = samples([[1, 0], [1, 0], [1, 1], [1, 0], [0, 0], null]);

describe("weights", () => {
  it("are none where every image is drawn alike", () => {
    expect(samplingWeights(some, "shuffle")).toBeNull();
  });

  it("of balanced_class are the rarest class's, at most ten; one without classes, the mean without tags", () => {
    expect([...samplingWeights(some, "balanced_class")!]).toEqual([1, 1, 4, 1, 1, 1.6]);
    const rare = samples([...Array(25).fill([1, 0]), [0, 1]]);
    expect(samplingWeights(rare, "balanced_class")!.at(-1)).toBe(10);
  });

  it("of balanced_sample are the product over the classes", () => {
    const wanted = [0.390625, 0.390625, 1.5625, 0.390625, 1.5625, 0.859375];
    samplingWeights(some, "balanced_sample")!.forEach((weight, i) => void expect(weight).toBeCloseTo(wanted[i]!, 10));
  });
});

describe("a draw", () => {
  it("takes each sample as often as its weight says, rounded", () => {
    for (const offset of [0, 0.3, 0.999]) {
      const drawn = systematicDraw(Float64Array.of(1, 4, 1, 2), 20, offset);
      const counts = [0, 1, 2, 3].map((sample) => drawn.filter((one) => one === sample).length);
      expect(counts.reduce((a, b) => a + b)).toBe(20);
      counts.forEach((count, i) => void expect(Math.abs(count - [2.5, 10, 2.5, 5][i]!)).toBeLessThan(1));
    }
  });

  it("is mixed, other in every epoch, the same for the same seed", () => {
    const weights = Float64Array.from({ length: 40 }, (_, i) => 1 + (i % 4));
    const epoch = (seed: number, number: number) => {
      const order = new EpochOrder(40, seed, weights);
      return Array.from({ length: 40 }, (_, position) => order.sampleAt({ epoch: number, position }));
    };
    expect(epoch(1, 0)).toEqual(epoch(1, 0));
    expect(epoch(1, 1)).not.toEqual(epoch(1, 0));
    expect(epoch(2, 0)).not.toEqual(epoch(1, 0));
    expect(epoch(1, 0)).not.toEqual([...epoch(1, 0)].sort((a, b) => a - b));
    const often = (rest: number) => [...epoch(1, 0), ...epoch(1, 1)].filter((sample) => sample % 4 === rest).length;
    expect(often(3)).toBeGreaterThan(3 * often(0));
  });
});
