/** Paper Eq. 6–7, L_s: cross-entropy of the segmentation branch against the pseudo-labels made from the teacher's CAMs. */

import { scope, type Tensor, where, zerosLike } from "../torch/index.ts";
import { allowedClasses, isTagged, pixelCrossEntropy, restrictLogits, VOID } from "./functional.ts";

export interface SegmentationLossOptions {
  /** Label smoothing, 0..1; the paper has 0, the authors' VOC runs 0.1. */
  smoothing?: number;
  /** Leave out images whose pseudo-labels hold no foreground, as the authors' code does; the paper keeps them. */
  dropWithoutForeground?: boolean;
}

/**
 * Mean over the pixels that the pseudo-labels are sure about; 0 if there are none.
 * @param logits [B, K, h, w] of the student, upsampled here
 * @param labels [B, H, W] pseudo-labels, 0..K−1, 255 = uncertain
 */
export function segmentationLoss(logits: Tensor, labels: Tensor, options: SegmentationLossOptions = {}): Tensor {
  const { smoothing = 0, dropWithoutForeground = false } = options;
  return scope(() => {
    const used = dropWithoutForeground ? voidWhere(labels, hasForeground(labels).logicalNot()) : labels;
    return pixelCrossEntropy(logits, used, { smoothing });
  });
}

/**
 * The same cross-entropy with the softmax taken only over the background and the classes in the image's tags. It keeps rare classes
 * alive on uneven data, where L_s alone lets the branch call nearly everything background. Images without tags are left out, and so
 * are pixels whose label the tags do not allow.
 * @param logits [B, K, h, w]
 * @param labels [B, H, W] pseudo-labels, 0..K−1 or 255
 * @param tags [B, K − 1], 1 or 0; a row of −1 for an image without tags
 */
export function tagSegmentationLoss(logits: Tensor, labels: Tensor, tags: Tensor): Tensor {
  return scope(() => {
    const allowed = allowedClasses(tags);
    const flat = labels.flatten(1).to("int64");
    const labelAllowed = allowed.gather(1, where(flat.eq(VOID), zerosLike(flat), flat)).reshape(labels.shape);
    const contradicted = voidWhere(labels, labelAllowed.logicalNot());
    return pixelCrossEntropy(restrictLogits(logits, allowed), voidWhere(contradicted, isTagged(tags).logicalNot()));
  });
}

function hasForeground(labels: Tensor): Tensor {
  return labels.ne(0).logicalAnd(labels.ne(VOID)).flatten(1).amax(1);
}

/** @param condition [B, H, W], or [B] for whole images */
function voidWhere(labels: Tensor, condition: Tensor): Tensor {
  return labels.maskedFill(condition.ndim === 1 ? condition.reshape([-1, 1, 1]) : condition, VOID);
}
