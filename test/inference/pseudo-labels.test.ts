/** Label maps from scores: ties, ids, the mean of both sources. */
import { describe, expect, it } from "vitest";
import { camScores, labelsOf, meanScores } from "../../src/inference/pseudo-labels.ts";
import { scope, tensor } from "../../src/torch/index.ts";

const keys = [0, 8, 12];

/** Two maps of 1×4 pixels. */
const cams = () => tensor([[[0.9, 0.4, 0.1, 0.0]], [[0.5, 0.2, 0.3, 0.0]]]);

describe("labels of activation maps", () => {
  it("are the strongest class above the threshold, as dataset ids", () => {
    const labels = scope(() => labelsOf(camScores(cams(), 0.25), keys));
    expect(labels).toEqual({ width: 4, height: 1, data: Uint8Array.of(8, 8, 12, 0) });
  });

  it("are background at the threshold itself", () => {
    const half = () => tensor([[[0.5, 0.50001]], [[0, 0]]]);
    expect(scope(() => labelsOf(camScores(half(), 0.5), keys)).data).toEqual(Uint8Array.of(0, 8));
  });

  it("have a threshold between 0 and 1", () => {
    for (const threshold of [-0.1, 1.1, Number.NaN]) {
      expect(() => scope(() => camScores(cams(), threshold))).toThrow("0..1 for the background threshold");
    }
  });

  it("need an id for every plane", () => {
    expect(() => scope(() => labelsOf(camScores(cams(), 0.5), [0, 8]))).toThrow("expected 3 ids");
  });
});

describe("the mean of activation maps and segmentation", () => {
  const even = () => tensor([[[1, 1, 1, 1]], [[1, 1, 1, 1]], [[1, 1, 1, 1]]]).div(3);

  it("is a distribution in every pixel", () => {
    const sums = scope(() => meanScores(cams(), even(), 0.25).sum(0).toArray());
    for (const sum of sums) expect(sum).toBeCloseTo(1, 6);
  });

  it("labels as the activation maps do where the segmentation is undecided", () => {
    const labels = scope(() => labelsOf(meanScores(cams(), even(), 0.25), keys));
    expect(labels.data).toEqual(Uint8Array.of(8, 8, 12, 0));
  });

  it("labels as the segmentation does where that is sure", () => {
    const sure = () => tensor([[[0, 0, 1, 0]], [[0, 0, 0, 1]], [[1, 1, 0, 0]]]);
    const labels = scope(() => labelsOf(meanScores(cams(), sure(), 0.25), keys));
    expect(labels.data).toEqual(Uint8Array.of(12, 12, 0, 0));
  });

  it("takes segmentation at a lower resolution", () => {
    const coarse = () => tensor([[[1, 0]], [[0, 1]], [[0, 0]]]);
    const scores = scope(() => meanScores(cams().mul(0), coarse(), 1).select(0, 1).toArray());
    expect(scores.map((score) => score * 2)).toEqual([0, 0.25, 0.75, 1]);
  });

  it("has no hole where a threshold of 0 meets no activation", () => {
    const scores = scope(() => meanScores(cams(), even(), 0).select(2, 3).toArray());
    expect(scores.every(Number.isFinite)).toBe(true);
  });
});
