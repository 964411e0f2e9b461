/**
 * Class activation maps of several scales and mirror images as one map a class, as the public inference code combines
 * them: rectified, mirror added, every scale resized and summed, each class divided by its own maximum.
 */
import { F, type Tensor, tensor, zeros } from "../torch/index.ts";
import { KEPT_STRIDE, type Size, stridedSize } from "./resize.ts";
import { mirrorAdded } from "./tta.ts";

/** Keeps a class without any activation at 0. */
const EPSILON = 1e-5;

/**
 * What one scale adds for some of the classes.
 * @param raw activation map [1 or 2, C, h, w] before the ReLU, the mirror image second
 * @param classes indices 0…C−1 of the classes wanted, without the background
 * @returns [n, h, w], at least 0
 */
export function activation(raw: Tensor, classes: readonly number[]): Tensor {
  return mirrorAdded(pick(raw, 1, classes).relu());
}

/** The entries of one dimension at the given indices, in that order; none for an empty list. */
export function pick(maps: Tensor, dim: number, indices: readonly number[]): Tensor {
  return maps.indexSelect(
    dim,
    tensor([...indices], { dtype: "int64", shape: [indices.length] }).to({ device: maps.device }),
  );
}

/**
 * Maps of all scales for files: a quarter of the image's size.
 * @param scales one [n, h, w] a scale, from {@link activation}
 * @param image size of the image
 * @returns [n, ⌈H/4⌉, ⌈W/4⌉], 0…1
 */
export function keptCams(scales: readonly Tensor[], image: Size): Tensor {
  return normalised(sumAt(scales, stridedSize(image, KEPT_STRIDE)));
}

/**
 * Maps of all scales at the image's own size: resized to the pixels that their cells stand for and cropped.
 * @param scales one [n, h, w] a scale, from {@link activation}
 * @param covered those pixels, from {@link coveredSize}
 * @returns [n, H, W], 0…1
 */
export function fullCams(scales: readonly Tensor[], image: Size, covered: Size): Tensor {
  const sum = sumAt(scales, covered);
  return normalised(sum.narrow(1, 0, image[0]).narrow(2, 0, image[1]));
}

/** Maps resized (bilinear, corners not aligned) to one size and summed; [n, height, width], also for n = 0. */
export function sumAt(scales: readonly Tensor[], size: Size): Tensor {
  let sum: Tensor | null = null;
  for (const maps of scales) {
    if (maps.shape[0] === 0) continue; // libtorch refuses to resize a batch without channels
    const resized = F.interpolate(maps.unsqueeze(0), { size, mode: "bilinear", alignCorners: false }).squeeze(0);
    sum = sum ? sum.add_(resized) : resized;
  }
  return sum ?? zeros([0, ...size]);
}

/** Each map divided by its own maximum. */
function normalised(maps: Tensor): Tensor {
  return maps.shape[0] === 0 ? maps : maps.div(maps.amax([1, 2], true).add(EPSILON));
}
