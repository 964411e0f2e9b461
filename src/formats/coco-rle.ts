/** COCO's run-length masks: runs down the columns, first of zeros, as numbers or packed into text. */

import { CsrmError, expected } from "../errors.ts";

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
  const lengths = typeof counts === "string" ? unpackCounts(counts, name) : counts;
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

/**
 * Numbers as pycocotools packs them: five bits a character from the lowest, bit 6 set when more follow, the last one's bit
 * 5 the sign; from the fourth number on the difference to the one two before.
 */
function unpackCounts(text: string, name: string): number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    let scale = 1;
    for (let more = true; more; scale *= 32) {
      const bits = text.charCodeAt(at++) - 48;
      if (!(bits >= 0 && bits < 64) || scale > 2 ** 40) {
        throw new CsrmError(`${name}: the packed runs are broken at character ${Math.min(at, text.length)}`, {
          code: "data",
        });
      }
      more = (bits & 0x20) !== 0;
      value += (bits & 0x1f) * scale;
      if (!more && bits & 0x10) value -= scale * 32;
    }
    counts.push(counts.length > 2 ? value + counts.at(-2)! : value);
  }
  return counts;
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
