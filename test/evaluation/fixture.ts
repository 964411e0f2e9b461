/** The golden evaluation cases, run lengths undone. */
import { readFileSync } from "node:fs";
import type { LabelMap } from "../../src/evaluation/confusion.ts";

export interface GoldenMetrics {
  T: number[];
  P: number[];
  TP: number[];
  iou: number[];
  miou: number;
  miou_foreground: number;
  fp: number;
  fn: number;
  t_tp: number;
  p_tp: number;
  fp_all_classes: number;
  fn_all_classes: number;
}

interface Tensor {
  shape: number[];
  data: number[];
}

interface Golden {
  n_classes: number;
  size_hw: [number, number];
  label_maps: {
    pairs: { pred: number[]; gt: number[] }[];
    confusion_rows_gt_cols_pred: number[][];
    valid_pixels_predicted_255_by_gt_class: number[];
    metrics: GoldenMetrics;
    metrics_when_last_class_absent_everywhere: GoldenMetrics;
  };
  resize_nearest: {
    pred_size: [number, number];
    pred: number[];
    gt: number[];
    pred_resized: number[];
    metrics: GoldenMetrics;
  };
  resize_nearest_down: { pred_size: [number, number]; pred: number[]; pred_resized: number[] };
  threshold_sweep: {
    images: { keys: number[]; cam: Tensor; gt: number[] }[];
    thresholds: number[];
    per_threshold: {
      threshold: number;
      miou: number;
      miou_foreground: number;
      fp: number;
      fn: number;
      iou: number[];
    }[];
    best_index: number;
    best_threshold: number;
    "labels_at_0.4": number[][];
    over_threshold: number;
    under_threshold: number;
  };
  validation_priors: {
    cams_bhwc: Tensor;
    gt_size: [number, number];
    gt: number[][];
    thresholds: number[];
    per_threshold: { threshold: number; T: number[]; P: number[]; TP: number[] }[];
    best: { threshold: number; miou_percent_rounded3: number; miou_fg_percent_rounded3: number };
  };
}

export const golden: Golden = JSON.parse(
  readFileSync(new URL("../golden/11-evaluation.json", import.meta.url), "utf8"),
);

/** A label map from (value, count) pairs. */
export function unrun(runs: number[], [height, width]: [number, number]): LabelMap {
  const data = new Uint8Array(width * height);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    data.fill(runs[i]!, at, at + runs[i + 1]!);
    at += runs[i + 1]!;
  }
  if (at !== data.length) throw new Error(`run lengths give ${at} pixels, not ${data.length}`);
  return { width, height, data };
}
