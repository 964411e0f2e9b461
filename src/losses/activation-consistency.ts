/** Paper Eq. 8–9, L_s2c: the student's CAMs learn to agree with the confident part of the teacher's segmentation. */

import { cat, scope, type Tensor } from "../torch/index.ts";
import { pixelCrossEntropy, resizeBilinear, VOID } from "./functional.ts";
import type { TeacherLabels } from "./teacher-labels.ts";

export interface ActivationConsistencyOptions {
  /** σ: a pixel counts where the teacher's probability is above it. */
  sigma: number;
  /** Label smoothing, 0..1; the paper has 0, the authors' VOC runs 0.1. */
  smoothing?: number;
}

/**
 * Cross-entropy of [background logit | CAM] at full resolution, mean over the pixels above σ; 0 if there are none. The background
 * logit comes from the student's segmentation branch and is a constant here, so the gradient reaches the CAM alone.
 * @param cam [B, C, h, w] raw activations of the student
 * @param background [B, 1, h′, w′] logits
 * @returns the loss (of several processes, this one's share) and the fraction of this process's pixels that counted
 */
export function activationConsistencyLoss(
  cam: Tensor,
  background: Tensor,
  teacher: TeacherLabels,
  { sigma, smoothing = 0 }: ActivationConsistencyOptions,
): { loss: Tensor; kept: Tensor } {
  return scope(() => {
    const [, height, width] = teacher.labels.shape as [number, number, number];
    const maps = [background.detach(), cam].map((map) => resizeBilinear(map, [height, width]));
    const logits = cat(maps, 1); // [B, 1 + C, H, W]
    const unsure = teacher.confidence.le(sigma);
    const labels = teacher.labels.maskedFill(unsure, VOID);
    const kept = unsure.logicalNot().to("float32").mean();
    return { loss: pixelCrossEntropy(logits, labels, { smoothing }), kept };
  });
}
