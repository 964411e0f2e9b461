/** Reading the losses' golden file: tensors in float64, label maps, run-length masks; comparing scalars and gradients. */
import { expect } from "vitest";
import { grad, type Tensor, tensor } from "../../src/torch/index.ts";
import { type Golden, readGolden, recordDeviation } from "../helpers/golden.ts";

/** 05-losses.json. Its numbers carry nine digits. */
export const losses = readGolden<{
  soft_margin: { logits: Golden; targets: Golden; cases: { smoothing: number; loss: number; grad: Golden }[] };
  soft_margin_soft_targets: { logits: Golden; targets: Golden; loss: number; grad: Golden };
  pseudo_label_ce: {
    logits: Golden;
    targets: Record<string, Golden>;
    cases: {
      target: string;
      smoothing: number;
      drop_samples_without_foreground: boolean;
      loss: number;
      grad?: Golden;
    }[];
  };
  activation_consistency: {
    labels: Golden;
    cam_raw: Golden;
    student_bg_logit: Golden;
    teacher_logits: Golden;
    cases: {
      mode: "authors" | "paper";
      sigma: number;
      smoothing: number;
      kept_fraction?: number;
      target: Golden;
      loss: number | null;
      grad_cam?: Golden;
    }[];
  };
  unsupervised: {
    student_logits: Golden;
    teacher_logits_clean: Golden;
    teacher_logits_mixed: Golden;
    labels_u: Golden;
    target: Golden;
    entropy: Golden;
    cases: {
      percent: number;
      threshold: number;
      n_kept: number;
      loss_mean: number;
      loss_authors: number;
      grad_mean: Golden;
      authors_factor: number;
    }[];
  };
  entropy_masks: {
    entropy: Golden;
    cases: EntropyCase[];
    with_valid_mask: EntropyCase & { valid: Golden };
  };
  contrast: { cases: Record<string, ContrastCase> };
  fifo_bank: { cap: number; steps: { push: number[]; bank_after: number[] }[] };
}>("05-losses");

export interface EntropyCase {
  alpha_percent: number;
  low_threshold: number;
  high_threshold: number;
  low: Golden;
  high: Golden;
}

export interface ContrastCase {
  labels: Golden;
  pixel_labels: Golden;
  teacher_logits: Golden;
  rep_student: Golden;
  rep_teacher: Golden;
  alpha_percent: number;
  low_rank: number;
  high_rank: number;
  temperature: number;
  query_min_prob: number;
  authors: ContrastReading;
  paper: ContrastReading;
}

export interface ContrastReading {
  low: Golden;
  high: Golden;
  negative_max_prob: number;
  query_mask_by_class: number[][];
  negative_mask_by_class: number[][];
  n_query_candidates: number[];
  n_negatives: number[];
  positive_by_class: (number[] | null)[];
  valid_classes: number[];
  info_nce: {
    items: { class: number; skipped?: boolean; query_idx: number[]; negative_idx: number[][]; loss: number }[];
    n_valid_classes: number;
    loss: number;
    grad_rep_student?: Golden;
  };
}

/** Rounding of the file: nine digits. */
export const DIGITS = 1e-8;

export function double(golden: Golden): Tensor {
  return tensor(Float64Array.from(golden.data!), { shape: golden.shape });
}

export function integers(golden: Golden): Tensor {
  return tensor(BigInt64Array.from(golden.data!, BigInt), { shape: golden.shape });
}

/** A mask as 0 and 1. */
export function bits(mask: Tensor): number[] {
  return mask.toArray();
}

/** [value, count, value, count, …] */
export function unrolled(runs: readonly number[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < runs.length; i += 2) for (let n = 0; n < runs[i + 1]!; n++) values.push(runs[i]!);
  return values;
}

export function expectClose(actual: Tensor | number, wanted: number, tolerance = DIGITS): void {
  const value = typeof actual === "number" ? actual : actual.item();
  recordDeviation("value", Math.abs(value - wanted) / Math.max(1, Math.abs(wanted)));
  expect(Math.abs(value - wanted), `${value} should be ${wanted}`).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(wanted)),
  );
}

/** Every element within the file's digits of the golden tensor's largest value. */
export function expectTensor(actual: Tensor, wanted: Golden, factor = 1): void {
  expect(actual.shape).toEqual(wanted.shape);
  const values = actual.toArray();
  const largest = Math.max(...wanted.data!.map(Math.abs)) * factor;
  const worst = Math.max(...wanted.data!.map((value, i) => Math.abs(values[i]! - value * factor)));
  recordDeviation("gradient", largest > 0 ? worst / largest : worst);
  expect(worst, `largest deviation, of values up to ${largest}`).toBeLessThanOrEqual(DIGITS * largest);
}

/** The gradient of a scalar with respect to one leaf, against a golden one. */
export function expectGradient(loss: Tensor, leaf: Tensor, golden: Golden, factor = 1): void {
  expectTensor(grad([loss], [leaf])[0]!, golden, factor);
}
