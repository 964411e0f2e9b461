import { describe, expect, it } from "vitest";
import { entropy, entropySplit, quantile } from "../../src/losses/entropy.ts";
import { full, rand, tensor, zeros } from "../../src/torch/index.ts";
import { bits, double, type EntropyCase, expectClose, integers, losses } from "./fixture.ts";

describe("entropy masks", () => {
  const { entropy_masks: golden } = losses;
  const values = double(golden.entropy);

  it.each(golden.cases)("equal the reference at alpha $alpha_percent %", (one) => expectSplit(one));

  it("equal the reference with only some pixels valid", () => {
    expectSplit(golden.with_valid_mask, golden.with_valid_mask.valid.data);
  });

  function expectSplit(one: EntropyCase, valid?: number[]): void {
    const mask = valid ? integers({ shape: values.shape, data: valid }).to("bool") : undefined;
    const pool = mask ? values.maskedSelect(mask) : values;
    expectClose(quantile(pool, one.alpha_percent / 100), one.low_threshold);
    expectClose(quantile(pool, 1 - one.alpha_percent / 100), one.high_threshold);
    const { low, high } = entropySplit(values, one.alpha_percent / 100, mask);
    expect(bits(low)).toEqual(one.low.data);
    expect(bits(high)).toEqual(one.high.data);
  }

  it("put no pixel at either end when entropy is constant or no pixel is valid", () => {
    const constant = entropySplit(full([1, 3, 3], 0.7), 0.2);
    const none = entropySplit(rand([1, 3, 3]), 0.2, zeros([1, 3, 3]).to("bool"));
    for (const mask of [constant.low, constant.high, none.low, none.high]) expect(mask.sum().item()).toBe(0);
  });
});

describe("entropy", () => {
  it("is 0 for certainty, log K for indifference, and finite at probability 0", () => {
    const values = entropy(
      tensor(
        [
          [1, 0],
          [0.5, 0.5],
        ],
        { dtype: "float64" },
      ),
    ).toArray();
    expectClose(values[0]!, 0);
    expectClose(values[1]!, Math.log(2));
  });
});

describe("the quantile by selection", () => {
  it("equals sorting with linear interpolation", () => {
    const values = rand([7, 11], { dtype: "float64" });
    for (const q of [0, 0.013, 0.2, 0.5, 0.8, 0.999, 1])
      expectClose(quantile(values, q), values.quantile(q).item(), 1e-12);
  });
});
