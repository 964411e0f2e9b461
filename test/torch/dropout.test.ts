import { describe, expect, it } from "vitest";
import {
  F,
  getThreads,
  grad,
  manualSeed,
  ones,
  op,
  randn,
  rngState,
  setRngState,
  setThreads,
} from "../../src/torch/index.ts";

const dropout = op("csrm::dropout");

/** More values than have keys in common. */
const SIDE = 500;

function kept(seed: number, p: number): number[] {
  manualSeed(seed);
  return dropout(ones([SIDE, SIDE]), p)
    .toArray()
    .map((value) => (value === 0 ? 0 : 1));
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("dropout on the CPU", () => {
  it.each([0.1, 0.5, 0.9])("keeps a share of 1 − p, here and everywhere (p = %f)", (p) => {
    const values = kept(3, p);
    const deviation = (n: number) => Math.sqrt((p * (1 - p)) / n);
    expect(Math.abs(mean(values) - (1 - p))).toBeLessThan(4 * deviation(SIDE ** 2));
    for (let at = 0; at < values.length; at += 25_000) {
      expect(Math.abs(mean(values.slice(at, at + 25_000)) - (1 - p))).toBeLessThan(4.5 * deviation(25_000));
    }
  });

  it("keeps a value whatever it keeps beside it, a row further, at powers of two, or with another seed", () => {
    const a = kept(3, 0.5);
    const agreeing = (b: readonly number[], shift: number) =>
      mean(a.slice(0, a.length - shift).map((value, i) => (value === b[i + shift] ? 1 : 0)));
    for (const shift of [1, 2, 16, SIDE, 4096, 65_536]) expect(Math.abs(agreeing(a, shift) - 0.5)).toBeLessThan(0.006);
    for (const seed of [4, 5, 1000]) expect(Math.abs(agreeing(kept(seed, 0.5), 0) - 0.5)).toBeLessThan(0.006);
  });

  it("is the same again from the same state of the generator, with any number of threads", () => {
    const state = rngState();
    const first = dropout(ones([SIDE, SIDE]), 0.3).toArray();
    const second = dropout(ones([SIDE, SIDE]), 0.3).toArray();
    expect(second).not.toEqual(first);
    const before = getThreads();
    try {
      setThreads(2);
      setRngState(state);
      expect(dropout(ones([SIDE, SIDE]), 0.3).toArray()).toEqual(first);
      setThreads(1);
      expect(dropout(ones([SIDE, SIDE]), 0.3).toArray()).toEqual(second);
    } finally {
      setThreads(before);
    }
  });

  it.each(["float32", "float64", "bfloat16"] as const)(
    "scales what it keeps, and its gradient alike, in %s",
    (dtype) => {
      const x = randn([2, 3, 4, 5]).add(3).to(dtype).contiguous("channels_last").requiresGrad_();
      const y = dropout(x, 0.75);
      const ratio = y.div(x.detach()).float().toArray();
      expect(ratio.every((value) => value === 0 || Math.abs(value - 4) < 0.02)).toBe(true);
      expect(new Set(ratio.map((value) => value > 0)).size).toBe(2);
      // An upstream gradient of another layout meets the same places.
      const [gradient] = grad([y], [x], { gradients: [ones(x.shape, { dtype })] });
      expect(gradient!.float().toArray()).toEqual(ratio.map((value) => (value > 0 ? 4 : 0)));
    },
  );

  it("has a second derivative, nothing at p = 0 and nothing left at p = 1", () => {
    const x = randn([6], { dtype: "float64" }).requiresGrad_();
    const y = dropout(x, 0.5);
    const [first] = grad([y.pow(2).sum()], [x], { createGraph: true });
    // y = m·x with m = 0 or 2, so the second derivative of y² is 2·m².
    const scale = y.div(x).detach();
    expect(grad([first!.sum()], [x])[0]!.toArray()).toEqual(scale.mul(scale).mul(2).toArray());
    expect(dropout(x, 0).toArray()).toEqual(x.toArray());
    expect(dropout(x.abs(), 1).toArray()).toEqual([0, 0, 0, 0, 0, 0]);
    expect(() => dropout(x, 1.5)).toThrow(/probability in 0\.\.1, got 1\.5/);
    expect(F.dropout(x, 0.5, false).toArray()).toEqual(x.toArray());
  });
});
