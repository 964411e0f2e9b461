/** Where the automatic mask generation looks: crops of the photograph, points in them, and boxes that a crop has cut. */

/** Corners in pixels; x1, y1 lie behind the last pixel for crops, on it for boxes of masks. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

export interface Crop {
  box: Box;
  /** 0 for the whole photograph. */
  layer: number;
}

/**
 * The whole photograph, then for each layer i from 1 on 2^i × 2^i crops that overlap; column by column.
 * @param overlap of the first layer's crops, in shorter sides
 */
export function cropsOf(
  { width, height }: { width: number; height: number },
  { layers, overlap }: { layers: number; overlap: number },
): Crop[] {
  const crops: Crop[] = [{ box: [0, 0, width, height], layer: 0 }];
  for (let layer = 1; layer <= layers; layer++) {
    const count = 2 ** layer;
    const shared = Math.trunc(overlap * Math.min(width, height) * (2 / count));
    const side = (length: number) => Math.ceil((shared * (count - 1) + length) / count);
    const [w, h] = [side(width), side(height)];
    for (let column = 0; column < count; column++) {
      for (let row = 0; row < count; row++) {
        const [x, y] = [(w - shared) * column, (h - shared) * row];
        const box: Box = [x, y, Math.min(x + w, width), Math.min(y + h, height)];
        // A crop of a photograph that is only a few pixels high or wide may be empty.
        if (box[0] < box[2] && box[1] < box[3]) crops.push({ box, layer });
      }
    }
  }
  return crops;
}

/** Middles of n × n cells of the unit square, x fastest. */
export function pointGrid(n: number): [x: number, y: number][] {
  return Array.from({ length: n * n }, (_, i) => [((i % n) + 0.5) / n, (Math.floor(i / n) + 0.5) / n]);
}

/** How close to an edge of the crop a box counts as cut by it, in pixels. */
const NEAR = 20;

/**
 * Whether a box reaches an edge of its crop that is none of the photograph: another crop shows more of it.
 * @param box in the crop's pixels
 */
export function isCut(box: Box, crop: Box, photograph: Box): boolean {
  return box.some((place, side) => {
    const at = place + crop[side % 2]!;
    return Math.abs(at - crop[side]!) <= NEAR && Math.abs(at - photograph[side]!) > NEAR;
  });
}
