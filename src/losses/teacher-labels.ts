/** The target of paper Eq. 9 and 12: the teacher's segmentation as a class and a confidence a pixel, within what the image's tags allow. */

import { noGrad, scope, type Tensor } from "../torch/index.ts";
import { allowedClasses, restrictLogits } from "./functional.ts";

export interface TeacherLabels {
  /** [B, H, W] uint8: the teacher's most probable class. */
  labels: Tensor;
  /** [B, H, W]: its probability. */
  confidence: Tensor;
}

/**
 * Softmax over the background and the tagged classes, which is the plain softmax with the other classes struck out and the rest
 * scaled to a sum of 1; then its largest entry.
 * @param logits [B, K, H, W]
 * @param tags [B, K − 1], 1 or 0; a row of −1 lifts the restriction for that image
 */
export function teacherLabels(logits: Tensor, tags: Tensor): TeacherLabels {
  return noGrad(() =>
    scope(() => {
      const [confidence, labels] = restrictLogits(logits, allowedClasses(tags)).softmax(1).maxAlong(1);
      return { labels: labels.to("uint8"), confidence };
    }),
  );
}
