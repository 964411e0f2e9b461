/**
 * Nearest-neighbour resizing of label maps, with the source index of OpenCV's INTER_NEAREST: floor(target · source
 * size / target size).
 */
import { expected } from "../errors.ts";
import type { LabelMap } from "./confusion.ts";

/**
 * For every target position the source position it takes its value from.
 * @returns Int32Array of `to` indices in 0…from−1
 */
export function nearestIndices(from: number, to: number): Int32Array {
  if (!(from >= 1 && to >= 1)) throw expected("sizes of at least 1", "nearest resizing", { from, to });
  return Int32Array.from({ length: to }, (_, i) => Math.floor((i * from) / to));
}

/** Resizes a label map to width×height; the same object where nothing changes. */
export function resizeNearest(map: LabelMap, size: { width: number; height: number }): LabelMap {
  const { width, height } = size;
  if (map.width === width && map.height === height) return map;
  const columns = nearestIndices(map.width, width);
  const rows = nearestIndices(map.height, height);
  const data = map.data instanceof Uint8Array ? new Uint8Array(width * height) : new Uint16Array(width * height);
  for (let y = 0; y < height; y++) {
    const source = rows[y]! * map.width;
    for (let x = 0; x < width; x++) data[y * width + x] = map.data[source + columns[x]!]!;
  }
  return { width, height, data };
}
