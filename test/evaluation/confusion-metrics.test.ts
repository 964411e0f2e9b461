import { describe, expect, it } from "vitest";
import { Confusion, type LabelMap } from "../../src/evaluation/confusion.ts";
import { type Metrics, metricsOf } from "../../src/evaluation/metrics.ts";
import { resizeNearest } from "../../src/evaluation/resize-nearest.ts";
import { type GoldenMetrics, golden, unrun } from "./fixture.ts";

function expectMetrics(actual: Metrics, wanted: GoldenMetrics) {
  expect(actual.truth).toEqual(wanted.T);
  expect(actual.predicted).toEqual(wanted.P);
  expect(actual.correct).toEqual(wanted.TP);
  const pairs: [number, number][] = [
    [actual.miou, wanted.miou],
    [actual.miou_fg, wanted.miou_foreground],
    [actual.fp, wanted.fp],
    [actual.fn, wanted.fn],
    [actual.fp_all, wanted.fp_all_classes],
    [actual.fn_all, wanted.fn_all_classes],
    [actual.t_tp, wanted.t_tp],
    [actual.p_tp, wanted.p_tp],
    ...actual.iou.map((value, k): [number, number] => [value, wanted.iou[k]!]),
  ];
  for (const [value, exact] of pairs) expect(Math.abs(value - exact)).toBeLessThanOrEqual(5e-9 * Math.max(1, exact));
}

const row = (...data: number[]): LabelMap => ({ width: data.length, height: 1, data: Uint8Array.from(data) });

describe("confusion and metrics", () => {
  const { label_maps: maps, n_classes: K, size_hw: size } = golden;
  const pairs = maps.pairs.map(({ pred, gt }) => ({ predicted: unrun(pred, size), truth: unrun(gt, size) }));

  it("equal the public evaluator over several images, with 255 on either side", () => {
    const confusion = new Confusion(K);
    for (const { predicted, truth } of pairs) confusion.add(predicted, truth);
    expect([...confusion.counts]).toEqual(maps.confusion_rows_gt_cols_pred.flat());
    expect([...confusion.undecided]).toEqual(maps.valid_pixels_predicted_255_by_gt_class);
    expectMetrics(metricsOf(confusion), maps.metrics);
  });

  it("count a class that occurs nowhere as an IoU of 0", () => {
    const confusion = new Confusion(K);
    for (const { predicted, truth } of pairs) {
      const data = predicted.data.map((label) => (label === K - 1 ? 0 : label));
      confusion.add({ ...predicted, data }, truth);
    }
    expectMetrics(metricsOf(confusion), maps.metrics_when_last_class_absent_everywhere);
  });

  it("give the same counts for 16-bit labels", () => {
    const [eight, sixteen] = [new Confusion(K), new Confusion(K)];
    const { predicted, truth } = pairs[0]!;
    eight.add(predicted, truth);
    sixteen.add({ ...predicted, data: Uint16Array.from(predicted.data) }, truth);
    expect(sixteen).toEqual(eight);
  });

  it("take an undecided pixel as a miss of its class and a false positive of none", () => {
    const confusion = new Confusion(2);
    confusion.add(row(1, 255, 0, 1), row(1, 1, 0, 255));
    const metrics = metricsOf(confusion);
    expect(metrics.iou[0]).toBeCloseTo(1, 9);
    expect(metrics.iou[1]).toBeCloseTo(0.5, 9);
    expect(metrics.fp).toBe(0);
  });

  it("refuse labels that are no class, saying where, and sizes that differ", () => {
    const confusion = new Confusion(3);
    expect(() => confusion.add(row(0, 3), row(0, 1))).toThrow(
      "expected predicted labels in 0..2 or 255, got 3 at x=1, y=0",
    );
    expect(() => confusion.add(row(0, 1), row(7, 1))).toThrow(
      "expected ground truth labels in 0..2 or 255, got 7 at x=0",
    );
    expect(() => confusion.add(row(0, 1), row(0, 1, 1))).toThrow('expected 3×1 labels for the prediction, got "2×1"');
    expect(() => new Confusion(256)).toThrow("1..255");
  });
});

describe("nearest resizing", () => {
  it("equals the public evaluator's when enlarging, metrics included", () => {
    const { resize_nearest: up, n_classes: K, size_hw: size } = golden;
    const resized = resizeNearest(unrun(up.pred, up.pred_size), { width: size[1], height: size[0] });
    expect(resized.data).toEqual(unrun(up.pred_resized, size).data);
    const confusion = new Confusion(K);
    confusion.add(resized, unrun(up.gt, size));
    expectMetrics(metricsOf(confusion), up.metrics);
  });

  it("equals the public evaluator's when shrinking", () => {
    const { resize_nearest_down: down, size_hw: size } = golden;
    const resized = resizeNearest(unrun(down.pred, down.pred_size), { width: size[1], height: size[0] });
    expect(resized.data).toEqual(unrun(down.pred_resized, size).data);
  });
});
