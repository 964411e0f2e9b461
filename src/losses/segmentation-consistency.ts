/** Paper Eq. 10–12, L_u: the student predicts on strongly augmented images what the teacher said about the plain ones, where the teacher is sure. */

import { processes, scope, type Tensor } from "../torch/index.ts";
import { ofAll, quantile } from "./entropy.ts";
import { atLeastOne, pixelCrossEntropy, VOID } from "./functional.ts";

/**
 * What the sum over the kept pixels is divided by: "kept", their number, as in the paper; or "u2pl", number² / (B·H·W), as in the
 * authors' code, which inherits it from U2PL, and with which a pixel exactly at the threshold is dropped instead of kept.
 */
export type UnsupervisedNormaliser = "kept" | "u2pl";

export interface SegmentationConsistencyOptions {
  /** 1 − α_t: the fraction of pixels, those of lowest entropy, that count. 0..1. */
  reliable: number;
  normaliser: UnsupervisedNormaliser;
}

/**
 * @param logits [U, K, h, w] of the student, upsampled here
 * @param labels [U, H, W] the teacher's classes on the un-mixed images, mixed along, 0..K−1
 * @param entropies [U, H, W] of the teacher's second, noisy pass over the mixed images
 * @returns the loss (of several processes, this one's share), 0 if no pixel counts, and the fraction of this process's pixels that counted
 */
export function segmentationConsistencyLoss(
  logits: Tensor,
  labels: Tensor,
  entropies: Tensor,
  { reliable, normaliser }: SegmentationConsistencyOptions,
): { loss: Tensor; kept: Tensor } {
  return scope(() => {
    const group = processes();
    if (labels.numel === 0) return { loss: logits.sum(), kept: entropies.sum() };
    // The quantile is that of the whole batch.
    const threshold = quantile(ofAll(entropies), reliable);
    const keep = normaliser === "kept" ? entropies.le(threshold) : entropies.lt(threshold);
    const mean = pixelCrossEntropy(logits, labels.maskedFill(keep.logicalNot(), VOID));
    const kept = keep.to(mean.dtype).mean();
    const loss =
      normaliser === "kept" ? mean : mean.mul(labels.numel * group.size).div(atLeastOne(group.sum(keep.sum())));
    return { loss, kept };
  });
}
