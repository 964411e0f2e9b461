/** Paper Eq. 5, L_c: multi-label soft margin between the classification logits and the image tags. */

import { F, processes, scope, type Tensor } from "../torch/index.ts";
import { atLeastOne, isTagged } from "./functional.ts";

export interface ClassificationLossOptions {
  /** a: targets become (1 − a)·y + a/2. 0..1; the paper has 0, the authors' VOC runs 0.1. */
  smoothing?: number;
}

/**
 * Mean over classes, then over the images that have tags (0 if none has). Of several processes each gets its share.
 * @param logits [B, C]
 * @param tags [B, C], 0..1; rows of −1 mark images without tags, which are left out
 */
export function classificationLoss(
  logits: Tensor,
  tags: Tensor,
  { smoothing = 0 }: ClassificationLossOptions = {},
): Tensor {
  return scope(() => {
    const tagged = isTagged(tags).to(logits.dtype);
    const targets = tags
      .to(logits.dtype)
      .clamp(0)
      .mul(1 - smoothing)
      .add(smoothing / 2);
    const present = targets.mul(F.logSigmoid(logits));
    const absent = targets.neg().add(1).mul(F.logSigmoid(logits.neg()));
    const perImage = present.add(absent).neg().mean(1);
    return perImage
      .mul(tagged)
      .sum()
      .div(atLeastOne(processes().sum(tagged.sum())));
  });
}
