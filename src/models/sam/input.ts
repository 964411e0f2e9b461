/** Photographs as Segment Anything sees them: fitted into a square, normalised, zeros below and to the right. */
import { imageTensor, resizeImage } from "../../data/pillow-resize.ts";
import type { RgbImage } from "../../data/types.ts";
import { cat, F, noGrad, scope, type Tensor, tensor } from "../../torch/index.ts";

/** Of RGB in 0…255; ImageNet's. */
const MEAN = [123.675, 116.28, 103.53];
const STD = [58.395, 57.12, 57.375];

/** Pixels that become floating-point numbers at once. */
const BAND = 2 ** 22;

/** [height, width] of a photograph whose longer side is `side`; at least 1 × 1. */
export function fittedSize({ width, height }: { width: number; height: number }, side: number): [number, number] {
  const scale = side / Math.max(width, height);
  return [Math.max(1, Math.floor(height * scale + 0.5)), Math.max(1, Math.floor(width * scale + 0.5))];
}

/** A photograph as the image encoder takes it, [1, 3, side, side]. Whatever its size, it is widened to numbers in parts. */
export function samInput(image: RgbImage, side: number, device = "cpu"): Tensor {
  return noGrad(() =>
    scope(() => {
      const [height, width] = fittedSize(image, side);
      const pixels = resizeImage(narrowed(image, width), [height, width], "bilinear").to({ device });
      const [mean, std] = [MEAN, STD].map((values) => tensor(values, { device }).reshape([1, 3, 1, 1])) as [
        Tensor,
        Tensor,
      ];
      return F.pad(pixels.sub(mean).div(std), [0, side - width, 0, side - height]);
    }),
  );
}

/** [1, 3, H, width] */
function narrowed({ data, width: from, height }: RgbImage, width: number): Tensor {
  const rows = Math.max(1, Math.floor(BAND / from));
  const bands: Tensor[] = [];
  for (let y = 0; y < height; y += rows) {
    const count = Math.min(rows, height - y);
    const band = { data: data.subarray(y * from * 3, (y + count) * from * 3), width: from, height: count };
    bands.push(scope(() => resizeImage(imageTensor(band), [count, width], "bilinear")));
  }
  return bands.length === 1 ? bands[0]! : cat(bands, 2);
}
