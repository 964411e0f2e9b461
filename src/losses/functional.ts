/** Maths shared by the losses: the void label, resizing of logits and labels, masking by image tags, cross-entropy over the known pixels. */

import { arange, cat, F, ones, processes, scope, type Tensor, tensor, zeros } from "../torch/index.ts";

/** The label of pixels that no loss may look at. */
export const VOID = 255;

/** Subtracted from the logits of classes that are ruled out: exp of it is 0 in every dtype, and unlike −∞ it cannot turn into NaN. */
const RULED_OUT = 1e4;

/** Bilinear resize, corners aligned. @param x [B, c, h, w] @param size [H, W] @returns [B, c, H, W]; x itself if it has that size */
export function resizeBilinear(x: Tensor, size: readonly [number, number]): Tensor {
  if (x.shape[2] === size[0] && x.shape[3] === size[1]) return x;
  return F.interpolate(x, { size: [size[0], size[1]], mode: "bilinear", alignCorners: true });
}

/** Nearest resize of label maps: output (i, j) is input (⌊i·H/h⌋, ⌊j·W/w⌋). @param labels [B, H, W] of any dtype @returns [B, h, w] */
export function resizeNearest(labels: Tensor, size: readonly [number, number]): Tensor {
  let resized = labels;
  for (const [axis, wanted] of size.entries()) {
    const dim = axis + 1;
    const have = labels.shape[dim]!;
    if (have === wanted) continue;
    const source = BigInt64Array.from({ length: wanted }, (_, i) => BigInt(Math.floor((i * have) / wanted)));
    resized = resized.indexSelect(dim, tensor(source, { device: labels.device }));
  }
  return resized;
}

/** Nearest resize as Pillow's: output i is the input at its centre, ⌊(i + ½)·H/h⌋. @param maps [..., H, W] @returns [..., h, w] */
export function resizeNearestCentred(maps: Tensor, [height, width]: readonly [number, number]): Tensor {
  return scope(() => maps.indexSelect(-2, centres(maps, -2, height)).indexSelect(-1, centres(maps, -1, width)));
}

function centres(maps: Tensor, dim: number, to: number): Tensor {
  const from = maps.size(dim);
  return arange(0, to, { dtype: "float64", device: maps.device })
    .add(0.5)
    .mul(from / to)
    .floor()
    .clamp(0, from - 1)
    .to("int64");
}

/**
 * Which classes an image may show: the background always, and what its tags name.
 * @param tags [B, C], 1 or 0; a row of −1 for an image without tags, which may show everything
 * @returns [B, C + 1] bool
 */
export function allowedClasses(tags: Tensor): Tensor {
  const background = ones([tags.shape[0]!, 1], { dtype: "bool", device: tags.device });
  return cat([background, tags.ne(0)], 1);
}

/** Which images have tags at all (an empty list of tags counts as having them). @param tags [B, C] @returns [B] bool */
export function isTagged(tags: Tensor): Tensor {
  return tags.select(1, 0).ge(0);
}

/** Logits with the classes that are not allowed pushed out of every softmax. @param logits [B, K, …] @param allowed [B, K] bool */
export function restrictLogits(logits: Tensor, allowed: Tensor): Tensor {
  const [images, classes] = logits.shape as [number, number];
  const ruledOut = allowed.logicalNot().reshape([images, classes, ...logits.shape.slice(2).map(() => 1)]);
  return logits.sub(ruledOut.to(logits.dtype).mul(RULED_OUT));
}

export interface PixelCrossEntropyOptions {
  /** ε of label smoothing: (1 − ε)·NLL + ε·mean over classes of −log p. 0..1. */
  smoothing?: number;
}

/**
 * Cross-entropy at the labels' resolution, mean over the pixels whose label is not void; 0 (with a graph) where there are none.
 * Of several processes each gets its share: its own sum over the pixels of all.
 * @param logits [B, K, h, w], upsampled here
 * @param labels [B, H, W], integers 0..K−1 or 255
 */
export function pixelCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { smoothing = 0 }: PixelCrossEntropyOptions = {},
): Tensor {
  const [images, height, width] = labels.shape as [number, number, number];
  if (images === 0) return zeros([], { dtype: logits.dtype, device: logits.device });
  const sum = F.crossEntropy(resizeBilinear(logits, [height, width]), labels.to("int64"), {
    ignoreIndex: VOID,
    labelSmoothing: smoothing,
    reduction: "sum",
  });
  return sum.div(atLeastOne(processes().sum(labels.ne(VOID).sum())));
}

/** Half-precision values as float32, others as they are: losses are not computed in half precision. */
export function fullPrecision(x: Tensor): Tensor {
  return x.dtype === "bfloat16" || x.dtype === "float16" ? x.to("float32") : x;
}

/** A count as a safe divisor. */
export function atLeastOne(count: Tensor): Tensor {
  return count.clamp(1);
}

/** Rows scaled to length one along the last dimension; a zero row stays zero. */
export function unitRows(x: Tensor): Tensor {
  return x.div(x.mul(x).sum(-1, true).clamp(1e-16).sqrt());
}
