/** A picture without its texture: the median of the colours around each pixel, edges mirrored, as SciPy's `median_filter` has it. */
import type { RgbImage } from "../../data/types.ts";
import { mirrored } from "./smooth.ts";

/**
 * Each channel apart. The counts of the levels in the square move along a row with it (Huang et al. 1979), so that a pixel costs `side`
 * levels in and `side` out.
 * @param side of the square in pixels, odd; 1 gives the picture itself
 */
export function medianFiltered(image: RgbImage, side: number): RgbImage {
  if (side === 1) return image;
  const { width, height, data } = image;
  const reach = (side - 1) / 2;
  const columns = Int32Array.from({ length: width + 2 * reach }, (_, i) => 3 * mirrored(i - reach, width));
  const out = new Uint8Array(data.length);
  const rows = new Int32Array(side);
  for (let y = 0; y < height; y++) {
    for (let i = 0; i < side; i++) rows[i] = 3 * width * mirrored(y + i - reach, height);
    for (let channel = 0; channel < 3; channel++)
      medianRow({ data, rows, columns, channel, out, start: 3 * width * y });
  }
  return { ...image, data: out };
}

interface MedianRow {
  data: Uint8Array;
  /** Where the rows of the square start in `data`. */
  rows: Int32Array;
  /** Where the columns lie in a row, from those left of the picture to those right of it. */
  columns: Int32Array;
  channel: number;
  out: Uint8Array;
  /** Where the row of the medians starts in `out`. */
  start: number;
}

function medianRow({ data, rows, columns, channel, out, start }: MedianRow): void {
  const side = rows.length;
  const middle = (side * side - 1) / 2;
  const counts = new Int32Array(256);
  let median = 0;
  /** How many levels of the square are less than `median`. */
  let below = 0;
  const add = (column: number, by: 1 | -1) => {
    for (const row of rows) {
      const level = data[row + column + channel]!;
      counts[level]! += by;
      if (level < median) below += by;
    }
  };
  for (let i = 0; i < side - 1; i++) add(columns[i]!, 1);
  for (let x = 0; x + side <= columns.length; x++) {
    add(columns[x + side - 1]!, 1);
    while (below > middle) below -= counts[--median]!;
    while (below + counts[median]! <= middle) below += counts[median++]!;
    out[start + 3 * x + channel] = median;
    add(columns[x]!, -1);
  }
}
