/** Which losses are active at a step and with which weights, thresholds and options: the recipe's keys in the losses' terms. */

import type { ContrastiveOptions } from "../losses/contrastive.ts";
import { scope, type Tensor, zeros } from "../torch/index.ts";
import type { Recipe } from "./config.ts";
import { rampPosition, rampValue } from "./schedules.ts";
import type { StepInput, StepRecipe } from "./step-input.ts";

/** A query's class must have more than this probability for the teacher (paper section 3.2.5). */
const QUERY_CONFIDENCE = 0.3;

export type LossName = "classification" | "segmentation" | "tags" | "s2c" | "unsupervised" | "contrast";

export interface StepTerms {
  /** 0 = not active. During the warm-up only the losses on tags and pseudo-labels are. */
  weights: Record<LossName, number>;
  /** σ_s2c */
  sigma: number;
  /** 1 − α_t */
  reliable: number;
}

/** @param progress `step` counts from 0 */
export function termsAt(recipe: StepRecipe, progress: StepInput["progress"]): StepTerms {
  const t = rampPosition(progress.step, progress);
  const warm = progress.step >= progress.warmup ? 1 : 0;
  return {
    sigma: rampValue(recipe.s2c.sigma, t),
    reliable: rampValue(recipe.unsupervised.reliable, t),
    weights: {
      classification: recipe.classification.weight,
      segmentation: recipe.segmentation.weight,
      tags: recipe.segmentation.tags_weight,
      s2c: warm * rampValue(recipe.s2c.weight, t),
      unsupervised: warm * recipe.unsupervised.weight,
      contrast: warm * recipe.contrast.weight,
    },
  };
}

/** @param alpha α_t */
export function contrastOptions(contrast: Recipe["contrast"], alpha: number): ContrastiveOptions {
  return {
    alpha,
    queries: contrast.queries,
    negatives: contrast.negatives,
    temperature: contrast.temperature,
    lowRank: contrast.low_rank,
    highRank: contrast.high_rank,
    queryConfidence: QUERY_CONFIDENCE,
    positiveConfidence: contrast.positive_confidence,
    negativeMaxConfidence: contrast.negative_max_confidence,
    labelledEntropySplit: contrast.labelled_entropy_split,
  };
}

/** Paper Eq. 14. */
export function weightedSum(losses: Partial<Record<LossName, Tensor>>, weights: Record<LossName, number>): Tensor {
  return scope(() => {
    const terms = Object.entries(losses).map(([name, loss]) => loss.mul(weights[name as LossName]));
    return terms.length === 0 ? zeros([]) : terms.reduce((sum, term) => sum.add(term));
  });
}
