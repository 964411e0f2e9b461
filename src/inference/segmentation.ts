/**
 * What the segmentation branch says over several scales and mirror images, where it is known which classes may be in
 * the image.
 */
import { cat, type Tensor } from "../torch/index.ts";
import { pick, sumAt } from "./cam.ts";
import type { Size } from "./resize.ts";
import { mirrorAdded } from "./tta.ts";

/** Keeps a pixel that is background beyond doubt at 0. */
const EPSILON = 1e-30;

/**
 * What one scale adds.
 * @param logits [1 or 2, C + 1, h, w], channel 0 the background, the mirror image second
 * @returns [C + 1, h, w], the mean of both
 */
export function viewLogits(logits: Tensor): Tensor {
  return mirrorAdded(logits).div(logits.shape[0]!);
}

/**
 * Probabilities of the background and of the classes that may be in the image, from all scales: logits resized
 * (bilinear, corners not aligned) and averaged, softmax over all classes. What classes that cannot be there got goes
 * to those that can: a cow taken for a horse is still not background. So the background's probability is the
 * network's own, and the classes share the rest.
 * @param scales one [C + 1, h, w] a scale, from {@link viewLogits}
 * @param present indices 0…C−1 of the n classes that may be there
 * @returns [n + 1, height, width], the background first; sums to 1 unless n = 0
 */
export function probabilities(scales: readonly Tensor[], present: readonly number[], size: Size): Tensor {
  const logits = sumAt(scales, size).div_(scales.length);
  const background = logits.softmax(0).narrow(0, 0, 1);
  const classes = pick(
    logits,
    0,
    present.map((index) => index + 1),
  ).softmax(0);
  return cat([background, classes.mul(background.neg().add(1))]);
}

/**
 * One score a class that a background threshold can be held against, like an activation map: the most probable class
 * of a pixel has the probability that the pixel is of any class, the others have less in proportion.
 * @param chances [n + 1, H, W], from {@link probabilities}
 * @returns [n, H, W], 0…1
 */
export function foregroundScores(chances: Tensor): Tensor {
  const [planes] = chances.shape;
  const classes = chances.narrow(0, 1, planes! - 1);
  if (planes === 1) return classes;
  const foreground = chances.narrow(0, 0, 1).neg().add(1);
  return classes.div(classes.amax([0], true).clamp(EPSILON)).mul(foreground);
}
