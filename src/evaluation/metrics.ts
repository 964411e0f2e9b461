/**
 * Intersection over union and its relatives, from a confusion matrix; defined as in the public PNOC evaluator
 * (scripts/evaluate.py).
 */
import type { Confusion } from "./confusion.ts";

/** Added to denominators, as the public evaluator does: a class that occurs nowhere gets an IoU of 0. */
const EPSILON = 1e-10;

/** Figures of a set of images, fractions 0–1. "Foreground" leaves class 0 out. Keys are those of the JSON files. */
export interface Metrics {
  /** Mean IoU over all K classes, background included; a class that occurs nowhere counts as 0. */
  miou: number;
  /** Mean IoU over classes 1…K−1. */
  miou_fg: number;
  /** Mean over foreground classes of (predicted − correct) / union. */
  fp: number;
  /** Mean over foreground classes of (true − correct) / union. */
  fn: number;
  /** As fp, over all classes. */
  fp_all: number;
  /** As fn, over all classes. */
  fn_all: number;
  /** Mean over foreground classes of true / correct; not a fraction, huge where a class is never hit. */
  t_tp: number;
  /** Mean over foreground classes of predicted / correct; not a fraction, huge where a class is never hit. */
  p_tp: number;
  /** IoU of every class. */
  iou: number[];
  /** True pixels of every class. */
  truth: number[];
  /** Predicted pixels of every class, on pixels that have a ground truth. */
  predicted: number[];
  /** Correct pixels of every class. */
  correct: number[];
}

/** All metrics of a confusion matrix; with one class only, the foreground means are 0. */
export function metricsOf(confusion: Confusion): Metrics {
  const { classCount: K, counts, undecided } = confusion;
  const truth = new Array<number>(K).fill(0);
  const predicted = new Array<number>(K).fill(0);
  const correct = new Array<number>(K).fill(0);
  for (let t = 0; t < K; t++) {
    truth[t]! += undecided[t]!;
    correct[t] = counts[t * K + t]!;
    for (let p = 0; p < K; p++) {
      truth[t]! += counts[t * K + p]!;
      predicted[p]! += counts[t * K + p]!;
    }
  }
  const union = truth.map((t, k) => t + predicted[k]! - correct[k]! + EPSILON);
  const iou = correct.map((c, k) => c / union[k]!);
  const falsePositive = predicted.map((p, k) => (p - correct[k]!) / union[k]!);
  const falseNegative = truth.map((t, k) => (t - correct[k]!) / union[k]!);
  const foreground = (values: number[]) => mean(values.slice(1));
  return {
    miou: mean(iou),
    miou_fg: foreground(iou),
    fp: foreground(falsePositive),
    fn: foreground(falseNegative),
    fp_all: mean(falsePositive),
    fn_all: mean(falseNegative),
    t_tp: foreground(truth.map((t, k) => t / (correct[k]! + EPSILON))),
    p_tp: foreground(predicted.map((p, k) => p / (correct[k]! + EPSILON))),
    iou,
    truth,
    predicted,
    correct,
  };
}

function mean(values: number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
