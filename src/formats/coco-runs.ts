/** Sets of pixels as COCO's masks have them, runs down the columns: read, united, measured, painted. */

import { expected } from "../errors.ts";
import { rleFromString } from "./rle.ts";

export interface MaskSize {
  height: number;
  width: number;
}

/**
 * A set of pixels, numbered down the columns (y + x · height): starts and ends (exclusive) of its runs in turn, ascending
 * and apart.
 */
export type Runs = readonly number[];

/**
 * The pixels of COCO's `counts`.
 * @param counts run lengths, or the text that pycocotools packs them into
 * @throws CsrmError (code "data") when runs are negative or do not fill the mask exactly
 */
export function runsOfCounts(counts: readonly number[] | string, { height, width }: MaskSize, name: string): Runs {
  const lengths = typeof counts === "string" ? rleFromString(counts, name) : counts;
  const runs: number[] = [];
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    if (!Number.isInteger(length) || length < 0) throw expected("run lengths of at least 0", name, length);
    const end = at + length;
    if (i % 2 === 1 && length > 0) {
      // A run of no zeros joins its neighbours.
      if (runs.at(-1) === at) runs[runs.length - 1] = end;
      else runs.push(at, end);
    }
    at = end;
  }
  if (at !== height * width) throw expected(`runs that fill ${width} × ${height} pixels`, name, at);
  return runs;
}

/** Every pixel that is in one of the sets. */
export function unionOfRuns(sets: readonly Runs[]): Runs {
  if (sets.length === 1) return sets[0]!;
  const pairs = sets.flatMap((runs) => {
    const starts = runs.filter((_, i) => i % 2 === 0);
    return starts.map((start, i) => [start, runs[i * 2 + 1]!] as const);
  });
  pairs.sort(([a], [b]) => a - b);
  const union: number[] = [];
  for (const [start, end] of pairs) {
    if (union.length > 0 && start <= union.at(-1)!) union[union.length - 1] = Math.max(union.at(-1)!, end);
    else union.push(start, end);
  }
  return union;
}

/** How many pixels there are. */
export function areaOfRuns(runs: Runs): number {
  let area = 0;
  for (let i = 0; i < runs.length; i += 2) area += runs[i + 1]! - runs[i]!;
  return area;
}

/** Sets the pixels of `labels` (height × width, row by row) to `label`. */
export function paintRuns(labels: Uint8Array, runs: Runs, options: MaskSize & { label: number }): void {
  const { height, width, label } = options;
  for (let i = 0; i < runs.length; i += 2) {
    let x = Math.floor(runs[i]! / height);
    let y = runs[i]! % height;
    for (let at = runs[i]!; at < runs[i + 1]!; at++) {
      labels[y * width + x] = label;
      if (++y === height) {
        y = 0;
        x++;
      }
    }
  }
}
