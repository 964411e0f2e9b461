/** Photographs resized as Pillow does it: a filter that widens when shrinking, rounded to whole levels after each direction. */
import { expected } from "../errors.ts";
import { fromTypedArray, op, type Tensor } from "../torch/index.ts";
import type { RgbImage } from "./types.ts";

/** Pillow's names. */
export type PillowFilter = "bicubic" | "bilinear";

/** An image as a tensor [1, 3, H, W], float32, 0…255. */
export function imageTensor({ data, width, height }: RgbImage, device = "cpu"): Tensor {
  if (data.length !== width * height * 3) {
    throw expected(`${height} × ${width} × 3 bytes`, "an image", `${data.length} bytes`);
  }
  const pixels = fromTypedArray(data, [1, height, width, 3]);
  return pixels.permute([0, 3, 1, 2]).to({ dtype: "float32", device });
}

/**
 * Resizes the columns of each row, then the rows.
 * @param image [1, 3, H, W], float32, 0…255
 * @returns [1, 3, h, w], whole numbers 0…255
 */
export function resizeImage(
  image: Tensor,
  [height, width]: readonly [height: number, width: number],
  filter: PillowFilter = "bicubic",
): Tensor {
  const [, , fromHeight, fromWidth] = image.shape;
  const wide = fromWidth === width ? image : levels(image, [fromHeight!, width], filter);
  return fromHeight === height ? wide : levels(wide, [height, width], filter);
}

function levels(image: Tensor, size: readonly [number, number], filter: PillowFilter): Tensor {
  return filters[filter](image.contiguous(), size, false, null, null).add(0.5).floor().clamp(0, 255);
}

type Resample = (
  input: Tensor,
  size: readonly [number, number],
  alignCorners: boolean,
  scaleHeight: number | null,
  scaleWidth: number | null,
) => Tensor;

const filters = {
  bicubic: op("aten::_upsample_bicubic2d_aa") as Resample,
  bilinear: op("aten::_upsample_bilinear2d_aa") as Resample,
};
