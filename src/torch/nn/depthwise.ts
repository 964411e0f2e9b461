/** Dilated depthwise convolution on CPUs as an undilated one on interleaved sub-grids, for which libtorch has a fast kernel. */
import { F, type Tensor } from "../index.ts";

/**
 * A depthwise k×k convolution of stride 1, dilation d and "same" zero padding. Pixels d apart only meet each other, so each
 * of the d² sub-grids is convolved as an image of its own. The sums are the same; 3–25 times faster than the dilated kernel.
 * @param x [B, C, H, W]
 * @param weight [C, 1, k, k]
 * @returns [B, C, H, W] in channels-last layout
 */
export function dilatedDepthwise(x: Tensor, weight: Tensor, bias: Tensor | null, dilation: number): Tensor {
  const d = dilation;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [h, w] = [Math.ceil(height / d), Math.ceil(width / d)];
  const padding = (weight.shape[2]! - 1) / 2;

  let y = x.permute([0, 2, 3, 1]); // [B, H, W, C]
  if (h * d !== height || w * d !== width) y = F.pad(y, [0, 0, 0, w * d - width, 0, h * d - height]); // [B, hd, wd, C]
  y = y.reshape([batch, h, d, w, d, channels]).permute([2, 4, 0, 1, 3, 5]); // [d, d, B, h, w, C]
  y = y.reshape([d * d * batch, h, w, channels]).permute([0, 3, 1, 2]); // [ddB, C, h, w]
  y = F.conv2d(y, weight, { bias, padding, groups: channels }).permute([0, 2, 3, 1]); // [ddB, h, w, C]
  y = y.reshape([d, d, batch, h, w, channels]).permute([2, 3, 0, 4, 1, 5]); // [B, h, d, w, d, C]
  y = y.reshape([batch, h * d, w * d, channels]); // [B, hd, wd, C]
  if (h * d !== height) y = y.narrow(1, 0, height);
  if (w * d !== width) y = y.narrow(2, 0, width);
  return y.permute([0, 3, 1, 2]); // [B, C, H, W]
}
