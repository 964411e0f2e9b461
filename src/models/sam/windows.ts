/** Maps cut into square windows that attention stays within. */
import type { Tensor } from "../../torch/index.ts";

/**
 * Fills a map up at the bottom and right until windows of `side` fit in.
 * @param map [B, H, W, C]
 * @param fill [C], what the added cells hold
 * @returns [B, rows·side, columns·side, C]
 */
export function filledUp(map: Tensor, side: number, fill: Tensor): Tensor {
  const [batch, height, width, channels] = map.shape as [number, number, number, number];
  const [rows, columns] = [Math.ceil(height / side), Math.ceil(width / side)];
  if (rows * side === height && columns * side === width) return map;
  const filled = fill
    .detach()
    .to(map.dtype)
    .expand([batch, rows * side, columns * side, channels])
    .clone("contiguous");
  filled.narrow(1, 0, height).narrow(2, 0, width).copy_(map);
  return filled;
}

export interface Cut {
  heads: number;
  /** Size of a window in cells. */
  size: readonly [height: number, width: number];
  /** Whether a head's queries, keys and values lie together, or all queries first. */
  interleaved: boolean;
}

/**
 * Queries, keys and values by window and head.
 * @param qkv [B, rows·h, columns·w, 3C]
 * @returns [3, B·rows·columns·heads, h·w, C/heads]
 */
export function cutHeads(qkv: Tensor, { heads, size: [h, w], interleaved }: Cut): Tensor {
  const [batch, height, width, channels] = qkv.shape as [number, number, number, number];
  const [rows, columns, d] = [height / h, width / w, channels / 3 / heads];
  const parts = interleaved ? [heads, 3] : [3, heads];
  const order = interleaved ? [6, 0, 1, 3, 5, 2, 4, 7] : [5, 0, 1, 3, 6, 2, 4, 7];
  return qkv
    .reshape([batch, rows, h, columns, w, ...parts, d])
    .permute(order) // [3, B, rows, columns, heads, h, w, d]
    .reshape([3, batch * rows * columns * heads, h * w, d]);
}

/**
 * The inverse for one of the three: [B·rows·columns·heads, h·w, d] → [B, H, W, C], without what was filled up.
 * @param map [height, width] of the map
 */
export function joinHeads(y: Tensor, [height, width]: readonly [number, number], { heads, size: [h, w] }: Cut): Tensor {
  const [rows, columns] = [Math.ceil(height / h), Math.ceil(width / w)];
  const [count, , d] = y.shape as [number, number, number];
  const batch = count / (rows * columns * heads);
  return y
    .reshape([batch, rows, columns, heads, h, w, d])
    .permute([0, 1, 4, 2, 5, 3, 6]) // [B, rows, h, columns, w, heads, d]
    .reshape([batch, rows * h, columns * w, heads * d])
    .narrow(1, 0, height)
    .narrow(2, 0, width);
}
