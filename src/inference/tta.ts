/** Test-time augmentation: one image as the network sees it at several scales, each with its mirror image. */
import { resizeImage } from "../data/pillow-resize.ts";
import type { Normalisation } from "../models/registry.ts";
import { cat, type Tensor, tensor } from "../torch/index.ts";
import { type Size, scaledSize } from "./resize.ts";

export interface ViewOptions extends Normalisation {
  /** Size at scale 1. */
  size: Size;
  scale: number;
  /** Whether the mirror image comes along. */
  flip: boolean;
}

/**
 * The network's input at one scale.
 * @param image [1, 3, H, W], 0…255
 * @returns [1, 3, h, w], or with flip [2, 3, h, w] whose second entry is the mirror image; (x/255 − mean) / std,
 *   channels last
 */
export function view(image: Tensor, { size, scale, flip, mean, std }: ViewOptions): Tensor {
  const channels = (values: readonly number[]) =>
    tensor(values, { shape: [1, 3, 1, 1], dtype: "float32" }).to({ device: image.device });
  const x = resizeImage(image, scaledSize(size, scale)).div(255).sub(channels(mean)).div(channels(std));
  return (flip ? cat([x, x.flip([3])]) : x).contiguous("channels_last");
}

/**
 * Adds (not averages) the maps of the mirror image to those of the image.
 * @param maps [1, C, h, w], or [2, C, h, w] with those of the mirror image second
 * @returns [C, h, w]
 */
export function mirrorAdded(maps: Tensor): Tensor {
  const own = maps.select(0, 0);
  return maps.shape[0] === 1 ? own : own.add(maps.select(0, 1).flip([2]));
}
