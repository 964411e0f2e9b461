/** From class activation maps to hard labels by two thresholds (paper Eq. 2 and 6), before and after the dense CRF. Pure tensor code. */

import { resizeBilinear, VOID } from "../losses/functional.ts";
import { scope, type Tensor } from "../torch/index.ts";

/** Added to a map's maximum before dividing by it, so that an empty map stays empty. */
const EPSILON = 1e-5;

/**
 * ψ: activations of the image's classes as scores 0..1, each divided by its own largest value.
 * @param cams [B, C, h, w] raw
 * @param tags [B, C]; maps of classes with a tag of 0 become 0
 * @param normalise whether the maximum is taken after upsampling (the paper) or before (the authors' code)
 * @returns [B, C, H, W]
 */
export function normaliseCams(
  cams: Tensor,
  tags: Tensor,
  size: readonly [number, number],
  normalise: "upsampled" | "strided",
): Tensor {
  return scope(() => {
    const present = tags
      .ne(0)
      .to(cams.dtype)
      .reshape([...tags.shape, 1, 1]);
    const own = cams.mul(present);
    return normalise === "upsampled"
      ? divideByMaximum(resizeBilinear(own, size).relu())
      : resizeBilinear(divideByMaximum(own.relu()), size);
  });
}

function divideByMaximum(maps: Tensor): Tensor {
  return maps.div(maps.amax([2, 3], true).add(EPSILON));
}

/** The class whose score is highest, or 0 where none is above the threshold. @param scores [B, C, H, W] @returns [B, H, W] uint8, class c as c + 1 */
export function labelAbove(scores: Tensor, threshold: number): Tensor {
  return scope(() => {
    const [highest, index] = scores.maxAlong(1);
    return index.add(1).mul(highest.gt(threshold)).to("uint8");
  });
}

/**
 * The sure labels of two labelings: a class where the strict one shows it, background where neither shows any, void in between.
 * @param foreground [B, H, W] uint8, made with the high threshold
 * @param background the same, made with the low one
 */
export function combineLabelings(foreground: Tensor, background: Tensor): Tensor {
  return scope(() => foreground.maskedFill(foreground.eq(0).logicalAnd(background.ne(0)), VOID));
}

/** Sure labels by thresholds on one set of scores: above `high` a class, up to `low` background, void in between. @returns [B, H, W] uint8 */
export function labelBetween(scores: Tensor, low: number, high: number): Tensor {
  return scope(() => combineLabelings(labelAbove(scores, high), labelAbove(scores, low)));
}
