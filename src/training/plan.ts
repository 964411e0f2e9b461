/** How many steps a training makes, from the recipe and the number of images. */
import type { Recipe } from "./config.ts";

export interface Plan {
  steps: number;
  /** Steps with classification and segmentation loss only. */
  warmup: number;
  /** Steps of one pass over the tagged images. */
  perEpoch: number;
}

/** @param tagged images with tags in the training list */
export function planSteps({ batch, schedule }: Pick<Recipe, "batch" | "schedule">, tagged: number): Plan {
  const perEpoch = Math.max(1, Math.floor(tagged / batch.labelled));
  const steps = schedule.steps ?? schedule.epochs * perEpoch;
  return { steps, warmup: Math.min(schedule.warmup_steps ?? perEpoch, steps), perEpoch };
}

/** The same for the start classifier. @param tagged images with tags in the training list */
export function planStart({ pretrain }: Pick<Recipe, "pretrain">, tagged: number): Plan {
  const perEpoch = Math.max(1, Math.floor(tagged / pretrain.batch));
  return { steps: pretrain.epochs * perEpoch, warmup: 0, perEpoch };
}
