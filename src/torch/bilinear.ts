/** Bilinear resizing on GPUs as two matrix products: libtorch's gradient adds pixel by pixel, and waits for itself, eight times as long. */
import { eye } from "./creation.ts";
import { op } from "./op.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

const linear = op("aten::upsample_linear1d.vec");

export interface Resizing {
  size: readonly [height: number, width: number];
  alignCorners: boolean;
  /** Of pixel positions, where a scale was asked for rather than a size. */
  scale: number | null;
}

/**
 * @param x [B, C, h, w] @returns [B, C, H, W], channels last where x is and has many channels, as the next convolution wants it; else
 * contiguous, as softmax and losses do
 */
export function bilinearByProducts(x: Tensor, { size, alignCorners, scale }: Resizing): Tensor {
  return scope(() => {
    const [batch, channels, h, w] = x.shape as [number, number, number, number];
    const [height, width] = size;
    const exact = x.dtype === "float64" ? "float64" : "float32";
    const weights = (from: number, to: number) =>
      linear(
        eye(from, { device: x.device, dtype: exact }).unsqueeze(0),
        scale === null ? [to] : null,
        alignCorners,
        scale === null ? null : [scale],
      )
        .squeeze(0)
        .to({ dtype: x.dtype }); // [from, to]
    const [rows, columns] = [weights(h, height), weights(w, width)];
    if (!x.isChannelsLast || channels % 8 !== 0) {
      return x.transpose(2, 3).matmul(rows).transpose(2, 3).matmul(columns); // [B, C, w, H] → [B, C, H, W]
    }
    const taller = rows
      .transpose(0, 1)
      .expand([batch, height, h])
      .matmul(x.permute([0, 2, 3, 1]).reshape([batch, h, w * channels])); // [B, H, w·C]
    const wider = columns
      .transpose(0, 1)
      .expand([batch * height, width, w])
      .matmul(taller.reshape([batch * height, w, channels])); // [B·H, W, C]
    return wider.reshape([batch, height, width, channels]).permute([0, 3, 1, 2]);
  });
}
