import { describe, expect, it } from "vitest";
import { emaDecay, learningRateFactor, rampPosition, rampValue } from "../../src/training/schedules.ts";
import { readGolden } from "../helpers/golden.ts";

const golden = readGolden<{
  ema: { decay_table: { g: number; S: number; warmup: number; decay: number }[] };
  schedules: {
    epochs: number;
    lambda_s2c_release: number[];
    lambda_s2c_from_epoch0: number[];
    unsup_percentile: number[];
    alpha_percent: number[];
    "sigma_s2c_paper_linear_0.1_to_1": number[];
    poly_lr: { g: number; G: number; power: number; mult: number }[];
    linear_schedule: { step: number; max: number; a0: number; an: number; schedule: number; value: number }[];
  };
}>("05-losses");
const { schedules } = golden;
const epochs = Array.from({ length: schedules.epochs }, (_, e) => e);

describe("ramps", () => {
  it("run from the end of the warm-up to the end of training", () => {
    const span = { warmup: 10, steps: 110 };
    expect([0, 10, 35, 110, 200].map((step) => rampPosition(step, span))).toEqual([0, 0, 0.25, 1, 1]);
    expect([4, 5].map((step) => rampPosition(step, { warmup: 5, steps: 5 }))).toEqual([0, 1]);
    expect(rampValue({ from: 0.1, to: 1 }, 0.5)).toBeCloseTo(0.55, 12);
    expect(rampValue(0.5, 0.3)).toBe(0.5);
  });

  it("give the released weight of L_s2c when counted in epochs after a warm-up of one", () => {
    const weights = epochs.map((e) =>
      e < 1 ? 0 : rampValue({ from: 0.1, to: 1 }, rampPosition(e, { warmup: 1, steps: 15 })),
    );
    expectAll(weights, schedules.lambda_s2c_release);
  });

  it("give the earlier weight when counted from epoch 0", () => {
    const weights = epochs.map((e) =>
      e < 1 ? 0 : rampValue({ from: 0.1, to: 1 }, rampPosition(e, { warmup: 0, steps: 15 })),
    );
    expectAll(weights, schedules.lambda_s2c_from_epoch0);
  });

  it("give the percentile of reliable pixels and its complement", () => {
    const reliable = epochs.map((e) => rampValue({ from: 0.8, to: 1 }, e / 15));
    expectAll(
      reliable.map((r) => 100 * r),
      schedules.unsup_percentile,
    );
    expectAll(
      reliable.map((r) => 100 * (1 - r)),
      schedules.alpha_percent,
    );
  });

  it("give the paper's threshold that grows from 0.1 to 1", () => {
    const sigmas = epochs.map((e) => rampValue({ from: 0.1, to: 1 }, e / 14));
    expectAll(sigmas, schedules["sigma_s2c_paper_linear_0.1_to_1"]);
  });

  it.each(schedules.linear_schedule)("agree with the reference's linear schedule at step $step of $max", (one) => {
    const t = rampPosition(one.step, { warmup: 0, steps: one.max * one.schedule });
    expect(rampValue({ from: one.a0, to: one.an }, t)).toBeCloseTo(one.value, 8);
  });
});

describe("the learning rate", () => {
  it.each(schedules.poly_lr)(
    "decays with power $power as in the reference at step $g of $G",
    ({ g, G, power, mult }) => {
      expect(learningRateFactor(g, G, power === 1 ? "linear" : "poly")).toBeCloseTo(mult, 8);
    },
  );

  it("falls in a straight line or stays", () => {
    expect([0, 25, 100, 120].map((step) => learningRateFactor(step, 100, "linear"))).toEqual([1, 0.75, 0, 0]);
    expect(learningRateFactor(99, 100, "constant")).toBe(1);
  });
});

describe("the teacher's decay", () => {
  it.each(golden.ema.decay_table)("equals the reference after $g updates", ({ g, S, warmup, decay }) => {
    expect(emaDecay(g, { warmup: warmup * S, copySteps: warmup * S, decay: 0.99 })).toBeCloseTo(decay, 8);
  });

  it("is 0, a copy, for as long as the recipe says", () => {
    const schedule = { warmup: 46, copySteps: 92, decay: 0.99 };
    expect([1, 46, 92].map((done) => emaDecay(done, schedule))).toEqual([0, 0, 0]);
    expect(emaDecay(93, schedule)).toBeGreaterThan(0.9);
  });

  it("grows from the end of the copying where that ends before the warm-up", () => {
    const schedule = { warmup: 600, copySteps: 100, decay: 0.99 };
    expect([100, 101, 103].map((done) => emaDecay(done, schedule))).toEqual([0, 0.5, 0.75]);
    expect(emaDecay(1, { ...schedule, copySteps: 0 })).toBe(0.5);
  });
});

function expectAll(actual: number[], wanted: number[]): void {
  expect(actual.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(actual[i]!).toBeCloseTo(value, 7);
}
