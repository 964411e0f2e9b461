/** Bilinear resizing on GPUs as two matrix products: libtorch's gradient adds pixel by pixel, and waits for itself, eight times as long. */
import { eye } from "./creation.ts";
import { op } from "./op.ts";
import { autocast } from "./runtime.ts";
import { keep, scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";

const linear = op("aten::upsample_linear1d.vec");

export interface Resizing {
  /** [height, width] of the result; or `scale`. */
  size?: readonly [number, number];
  scale?: number;
  alignCorners: boolean;
}

/**
 * The same as upsample_bilinear2d but for rounding (bfloat16 rounds between height and width, and the weights, too), and for an Inf or NaN, which
 * reaches its whole row and column.
 * @param x [B, C, h, w] @returns [B, C, H, W], channels last where x is and has many channels, as the next convolution wants it; else
 * contiguous, as softmax and losses do
 */
export function bilinearByProducts(x: Tensor, resizing: Resizing): Tensor {
  // Under autocast a product of float32 would be one of less; this also forgets cast weights, so only where it must be.
  if (x.dtype === "float32") return autocast({ enabled: false, device: x.device }, () => byProducts(x, resizing));
  return byProducts(x, resizing);
}

function byProducts(x: Tensor, resizing: Resizing): Tensor {
  return scope(() => {
    const [batch, channels, h, w] = x.shape as [number, number, number, number];
    const [rows, columns] = [weights(x, 0, resizing), weights(x, 1, resizing)];
    const [height, width] = [rows.size(1), columns.size(1)];
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

/** Training needs the same few again and again, photographs of all sizes ever new ones. */
const MOST_KEPT = 64;
const kept = new Map<string, Tensor>();

/** What each place of a row (0: of a column) gives to each of the resized one: [from, to]. */
function weights(x: Tensor, side: 0 | 1, { size, scale, alignCorners }: Resizing): Tensor {
  const { device, dtype } = x;
  const from = x.size(2 + side);
  const key = [from, size?.[side], scale, alignCorners, device, dtype].join();
  const known = kept.get(key);
  if (known) return known;
  const made = scope(() => {
    const one = eye(from, { device, dtype: dtype === "float64" ? "float64" : "float32" }).unsqueeze(0);
    const to = size ? [size[side]] : null;
    return linear(one, to, alignCorners, size ? null : [scale!])
      .squeeze(0)
      .to({ dtype });
  });
  const oldest = kept.size < MOST_KEPT ? undefined : kept.keys().next().value;
  if (oldest !== undefined) {
    kept.get(oldest)!.dispose();
    kept.delete(oldest);
  }
  kept.set(key, keep(made));
  return made;
}
