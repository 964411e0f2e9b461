/**
 * One training step of CSRM (paper section 3.2), from a batch to named losses: no files, no time, no optimiser. Students learn from
 * mixed images what the teacher saw on the plain ones.
 */

import { activationConsistencyLoss } from "../losses/activation-consistency.ts";
import { classificationLoss } from "../losses/classification.ts";
import { contrastiveLoss } from "../losses/contrastive.ts";
import { resizeNearest, VOID } from "../losses/functional.ts";
import { segmentationLoss, tagSegmentationLoss } from "../losses/segmentation.ts";
import { segmentationConsistencyLoss } from "../losses/segmentation-consistency.ts";
import { cat, scope, type Tensor } from "../torch/index.ts";
import type { StepInput } from "./step-input.ts";
import { contrastOptions, type LossName, termsAt, weightedSum } from "./step-terms.ts";
import { look, supervise } from "./supervision.ts";

export interface StepOutput {
  /** The active losses, unweighted. */
  losses: Partial<Record<LossName, Tensor>>;
  /** Their weighted sum (paper Eq. 14), to call backward on. */
  total: Tensor;
  /** Figures for the log: scalars that need a read-back, or plain numbers. */
  stats: Record<string, Tensor | number>;
}

/** Runs the networks and computes every loss that has a weight at this step. */
export function csrmStep(input: StepInput): StepOutput {
  return scope(() => {
    const { student, labelled, recipe, bank, precision } = input;
    const terms = termsAt(recipe, input.progress);
    const { weights, sigma, reliable } = terms;
    const { images, tags, labels, taught, noisy, mixed } = supervise(input, terms);

    const seg = weights.segmentation + weights.tags + weights.s2c + weights.unsupervised > 0;
    const own = look(student, images, { cam: weights.s2c > 0, seg, rep: weights.contrast > 0 }, precision);

    const rest = images.shape[0]! - labelled;
    const smoothing = recipe.label_smoothing;
    const losses: StepOutput["losses"] = {};
    const stats: StepOutput["stats"] = { mixed, ...labelStats(labels) };
    if (weights.classification > 0) losses.classification = classificationLoss(own.logits, tags, { smoothing });
    if (weights.segmentation > 0) {
      const options = { smoothing, dropWithoutForeground: recipe.segmentation.drop_without_foreground };
      losses.segmentation = segmentationLoss(own.seg!.narrow(0, 0, labelled), labels, options);
    }
    if (weights.tags > 0) {
      losses.tags = tagSegmentationLoss(own.seg!.narrow(0, 0, labelled), labels, tags.narrow(0, 0, labelled));
    }
    if (weights.s2c > 0) {
      const background = own.seg!.narrow(1, 0, 1);
      const { loss, kept } = activationConsistencyLoss(own.cam!, background, taught!, { sigma, smoothing });
      losses.s2c = loss;
      stats.s2c_kept = kept;
    }
    if (weights.unsupervised > 0) {
      const { normaliser } = recipe.unsupervised;
      const logits = own.seg!.narrow(0, labelled, rest);
      const target = taught!.labels.narrow(0, labelled, rest);
      const options = { reliable, normaliser };
      const { loss, kept } = segmentationConsistencyLoss(logits, target, noisy!.entropies!, options);
      losses.unsupervised = loss;
      stats.unsupervised_kept = kept;
    }
    if (weights.contrast > 0) {
      const { probabilities, rep } = noisy!;
      const stride = probabilities.shape.slice(2) as [number, number];
      const full = cat([labels, taught!.labels.narrow(0, labelled, rest)]);
      const pixels = { probabilities, labels: resizeNearest(full, stride), tags, labelled };
      const options = contrastOptions(recipe.contrast, 1 - reliable);
      losses.contrast = contrastiveLoss({ ...pixels, student: own.rep!, teacher: rep! }, bank, options);
    }
    return { losses, total: weightedSum(losses, weights), stats };
  });
}

/** How much of the labelled half the pseudo-labels call foreground, and how much they leave open. */
function labelStats(labels: Tensor): { pseudo_foreground: Tensor; pseudo_void: Tensor } {
  return scope(() => {
    const pixels = Math.max(labels.numel, 1);
    const open = labels.eq(VOID).sum().div(pixels);
    return { pseudo_foreground: labels.ne(0).sum().div(pixels).sub(open), pseudo_void: open };
  });
}
