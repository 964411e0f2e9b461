/** The target of paper Eq. 9 and 12: the teacher's segmentation as a class and a confidence a pixel, within what the image's tags allow. */

import { cat, noGrad, scope, type Tensor } from "../torch/index.ts";
import { allowedClasses, restrictLogits } from "./functional.ts";

/**
 * What becomes of the probability of classes that the tags rule out: dropped, so that the background and the tagged
 * classes grow in proportion (paper), or given to the tagged classes, since what is a wrong class is no background.
 */
export type AbsentClasses = "drop" | "merge";

export interface TeacherLabels {
  /** [B, H, W] uint8: the teacher's most probable class. */
  labels: Tensor;
  /** [B, H, W]: its probability. */
  confidence: Tensor;
}

/**
 * Softmax over the background and the tagged classes, which is the plain softmax with the other classes struck out and the rest
 * scaled to a sum of 1, or ("merge") the tagged ones scaled to what the background leaves; then its largest entry.
 * @param logits [B, K, H, W]
 * @param tags [B, K − 1], 1 or 0; a row of −1 lifts the restriction for that image
 */
export function teacherLabels(logits: Tensor, tags: Tensor, absent: AbsentClasses = "drop"): TeacherLabels {
  return noGrad(() =>
    scope(() => {
      const restricted = restrictLogits(logits, allowedClasses(tags));
      const chances = absent === "merge" ? merged(logits, restricted, tags) : restricted.softmax(1);
      const [confidence, labels] = chances.maxAlong(1);
      return { labels: labels.to("uint8"), confidence };
    }),
  );
}

/**
 * The background as probable as among all classes, the tagged classes sharing the rest in their proportions; without any all is background.
 * src/inference/segmentation.ts does the same for one image.
 */
function merged(logits: Tensor, restricted: Tensor, tags: Tensor): Tensor {
  const classes = logits.shape[1]! - 1;
  const some = tags.ne(0).sum(1).gt(0).to(logits.dtype).reshape([-1, 1, 1, 1]);
  const foreground = logits.softmax(1).narrow(1, 0, 1).neg().add(1).mul(some); // [B, 1, H, W]
  const shares = restricted.narrow(1, 1, classes).softmax(1);
  return cat([foreground.neg().add(1), shares.mul(foreground)], 1);
}
