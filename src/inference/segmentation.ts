/**
 * Class probabilities of the segmentation branch over several scales and mirror images, among the classes that may be
 * in the image.
 */
import type { Tensor } from "../torch/index.ts";
import { pick, sumAt } from "./cam.ts";
import type { Size } from "./resize.ts";
import { mirrorAdded } from "./tta.ts";

/**
 * What one scale adds: the logits of the background and of some classes.
 * @param logits [1 or 2, C + 1, h, w], channel 0 the background, the mirror image second
 * @param classes indices 0…C−1 of the classes wanted, without the background
 * @returns [n + 1, h, w]
 */
export function classLogits(logits: Tensor, classes: readonly number[]): Tensor {
  return mirrorAdded(pick(logits, 1, [0, ...classes.map((index) => index + 1)]));
}

/**
 * Probabilities from all scales: logits resized (bilinear, corners not aligned), averaged over the scales, softmax.
 * Mirror images are added, so with them the probabilities are sharper than the network's own; their order is not
 * affected.
 * @param scales one [n + 1, h, w] a scale, from {@link classLogits}
 * @returns [n + 1, height, width]
 */
export function probabilities(scales: readonly Tensor[], size: Size): Tensor {
  return sumAt(scales, size).div_(scales.length).softmax(0);
}
