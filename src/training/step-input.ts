/** What a training step is given: the two networks, a batch, the state that outlives it, and the recipe. */

import type { Rng } from "../data/rng.ts";
import type { MemoryBank } from "../losses/memory-bank.ts";
import type { CSRMForwardOptions, CSRMOutput } from "../models/csrm.ts";
import type { Precision, Tensor } from "../torch/index.ts";
import type { Recipe } from "./config.ts";
import type { Span } from "./schedules.ts";

/** The keys of a recipe that a step reads. */
export type StepRecipe = Pick<
  Recipe,
  | "label_smoothing"
  | "pseudo_labels"
  | "classmix"
  | "classification"
  | "segmentation"
  | "s2c"
  | "unsupervised"
  | "contrast"
  | "ema"
>;

/** A network as a step uses it; CSRM is one. */
export interface StepNetwork {
  train(mode?: boolean): unknown;
  forward(images: Tensor, outputs: CSRMForwardOptions): CSRMOutput;
}

export interface StepInput {
  /** In training mode. */
  student: StepNetwork;
  /** Without gradients. Left in training mode. */
  teacher: StepNetwork;
  /** [B, 3, H, W], normalised; the labelled half first. */
  images: Tensor;
  /** [B, H, W, 3] uint8: the same images for the CRF. */
  pixels: Tensor;
  /** [B, C], 1 or 0; a row of −1 for an image without tags, a row of 0 for one that is known to show none of the classes. */
  tags: Tensor;
  /** Images in the labelled half; pseudo-labels supervise the segmentation there, the teacher's confident pixels in the rest. */
  labelled: number;
  bank: MemoryBank;
  /** Decides about mixing; its state belongs into checkpoints. All other draws use libtorch's generator. */
  rng: Rng;
  recipe: StepRecipe;
  /** `step` counts from 0. */
  progress: Span & { step: number };
  /** Of the networks; losses are computed in float32. */
  precision: Precision;
}
