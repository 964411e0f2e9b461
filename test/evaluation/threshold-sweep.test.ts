import { describe, expect, it } from "vitest";
import type { LabelMap } from "../../src/evaluation/confusion.ts";
import { nearestIndices, resizeNearest } from "../../src/evaluation/resize-nearest.ts";
import {
  bestPoint,
  type CamMaps,
  overAndUnder,
  SWEEP_THRESHOLDS,
  ThresholdSweep,
} from "../../src/evaluation/threshold-sweep.ts";
import { golden, unrun } from "./fixture.ts";

const { threshold_sweep: wanted, validation_priors: priors, n_classes: K, size_hw: size } = golden;

const cams: CamMaps[] = wanted.images.map(({ keys, cam }) => ({
  classes: keys.slice(1),
  scores: Float32Array.from(cam.data),
  height: cam.shape[1]!,
  width: cam.shape[2]!,
}));
const truths = wanted.images.map(({ gt }) => unrun(gt, size));

function pixel(...scores: number[]): CamMaps {
  return { classes: scores.map((_, i) => i + 1), scores: Float32Array.from(scores), width: 1, height: 1 };
}

/** The labels that a sweep gives a one-pixel CAM at every threshold. */
function labelsOfPixel(cam: CamMaps, thresholds: number[]): number[] {
  const sweep = new ThresholdSweep(4, thresholds);
  sweep.add(cam, { width: 1, height: 1, data: Uint8Array.of(0) });
  return thresholds.map((t) => sweep.confusionAt(t).counts.indexOf(1));
}

describe("threshold sweep", () => {
  it("equals the public evaluator at all 16 thresholds", () => {
    const sweep = new ThresholdSweep(K);
    for (const [i, cam] of cams.entries()) sweep.add(cam, truths[i]!);
    const points = sweep.points();
    expect(points.map((p) => p.threshold)).toEqual(wanted.thresholds);
    for (const [i, point] of points.entries()) {
      const exact = wanted.per_threshold[i]!;
      expect(point.miou).toBeCloseTo(exact.miou, 8);
      expect(point.miou_fg).toBeCloseTo(exact.miou_foreground, 8);
      expect(point.fp).toBeCloseTo(exact.fp, 8);
      expect(point.fn).toBeCloseTo(exact.fn, 8);
      for (const [k, iou] of point.iou.entries()) expect(iou).toBeCloseTo(exact.iou[k]!, 8);
    }
    expect(points.indexOf(bestPoint(points))).toBe(wanted.best_index);
    expect(bestPoint(points).threshold).toBe(wanted.best_threshold);
    expect(overAndUnder(points)).toEqual({ over: wanted.over_threshold, under: wanted.under_threshold });
  });

  it("labels every pixel as the public evaluator does at 0.4, ties included", () => {
    for (const [i, cam] of cams.entries()) {
      const labels = unrun(wanted["labels_at_0.4"][i]!, size);
      const sweep = new ThresholdSweep(K, [0.4]);
      sweep.add(cam, labels);
      const { counts } = sweep.confusionAt(0.4);
      const agreeing = Array.from({ length: K }, (_, k) => counts[k * K + k]!).reduce((a, b) => a + b);
      expect(agreeing).toBe(labels.data.length);
    }
  });

  it("equals the public in-training validation, with masks resized to the CAMs", () => {
    const [images, height, width, classes] = priors.cams_bhwc.shape as [number, number, number, number];
    const sweep = new ThresholdSweep(K, priors.thresholds);
    for (let b = 0; b < images; b++) {
      const scores = new Float32Array(classes * height * width);
      for (let i = 0; i < scores.length; i++) {
        const [k, at] = [Math.floor(i / (height * width)), i % (height * width)];
        scores[i] = priors.cams_bhwc.data[(b * height * width + at) * classes + k]!;
      }
      const cam = { classes: Array.from({ length: classes }, (_, k) => k + 1), scores, width, height };
      sweep.add(cam, resizeNearest(unrun(priors.gt[b]!, priors.gt_size), { width, height }));
    }
    const points = sweep.points();
    for (const [i, { T, P, TP }] of priors.per_threshold.entries()) {
      expect({ T: points[i]!.truth, P: points[i]!.predicted, TP: points[i]!.correct }).toEqual({ T, P, TP });
    }
    const best = bestPoint(points);
    expect(best.threshold).toBe(priors.best.threshold);
    expect(best.miou * 100).toBeCloseTo(priors.best.miou_percent_rounded3, 3);
    expect(best.miou_fg * 100).toBeCloseTo(priors.best.miou_fg_percent_rounded3, 3);
  });

  it("gives background a score that equals the threshold in float32, and the earlier map a tie", () => {
    expect(labelsOfPixel(pixel(0.15), [0.1, 0.15, 0.2])).toEqual([1, 0, 0]);
    // 0.05 + 2 · 0.05 differs from 0.15 in float64 only.
    expect(labelsOfPixel(pixel(0.05 + 2 * 0.05), [0.15])).toEqual([0]);
    expect(labelsOfPixel(pixel(0.3, 0.6, 0.6), [0.5])).toEqual([2]);
    expect(labelsOfPixel(pixel(0), [0.05])).toEqual([0]);
  });

  it("counts everything as background where an image has no maps", () => {
    const sweep = new ThresholdSweep(3);
    const truth: LabelMap = { width: 2, height: 1, data: Uint8Array.of(0, 2) };
    sweep.add({ classes: [], scores: new Float32Array(0), width: 2, height: 1 }, truth);
    expect([...sweep.confusionAt(0.05).counts]).toEqual([1, 0, 0, 0, 0, 0, 1, 0, 0]);
  });

  it("labels smaller CAMs first and then resizes", () => {
    const cam: CamMaps = { classes: [1], scores: Float32Array.of(0.9, 0.1), width: 2, height: 1 };
    const sweep = new ThresholdSweep(2, [0.5]);
    sweep.add(cam, { width: 5, height: 2, data: Uint8Array.of(1, 1, 1, 0, 0, 1, 1, 1, 0, 255) });
    expect([...nearestIndices(2, 5)]).toEqual([0, 0, 0, 1, 1]);
    expect([...sweep.confusionAt(0.5).counts]).toEqual([3, 0, 0, 6]);
  });

  it("sorts thresholds and names one that was not swept", () => {
    const sweep = new ThresholdSweep(2, [...SWEEP_THRESHOLDS, 0.33]);
    expect(sweep.thresholds.indexOf(0.33)).toBe(6);
    expect(() => sweep.confusionAt(0.34)).toThrow("for threshold, got 0.34");
  });

  it("refuses NaN, unknown classes, wrong lengths and labels that are no class", () => {
    const truth: LabelMap = { width: 1, height: 1, data: Uint8Array.of(0) };
    const sweep = new ThresholdSweep(2);
    expect(() => sweep.add(pixel(Number.NaN), truth)).toThrow("got NaN at pixel 0");
    expect(() => sweep.add(pixel(0.1, 0.2), truth)).toThrow("map 1 of the CAM, got 2");
    expect(() => sweep.add({ ...pixel(0.1), width: 2 }, truth)).toThrow("1×1×2 scores");
    expect(() => sweep.add(pixel(0.1), { ...truth, data: Uint8Array.of(9) })).toThrow("x=0, y=0, got 9");
  });
});
