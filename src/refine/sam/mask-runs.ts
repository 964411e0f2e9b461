/** Masks as runs down the columns: found in bytes, moved from a crop to the photograph, measured, packed. */
import type { MaskSize, Runs } from "../../formats/coco-runs.ts";
import { rleToString } from "../../formats/rle.ts";
import type { Box } from "./crops.ts";

/** Collects the runs of ones of a long row of zeros and ones that comes in pieces. */
export class RunFinder {
  readonly runs: number[] = [];
  #length = 0;

  /** @param bytes zeros and ones that follow the earlier ones */
  push(bytes: Uint8Array): void {
    // Buffer's search is native code, many times faster than a loop over long runs.
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < buffer.length; ) {
      const start = buffer.indexOf(1, at);
      if (start < 0) break;
      const found = buffer.indexOf(0, start);
      at = found < 0 ? buffer.length : found;
      appendRun(this.runs, this.#length + start, this.#length + at);
    }
    this.#length += buffer.length;
  }
}

/** Adds a run that begins no earlier than the last one ends; runs that touch become one. */
export function appendRun(runs: number[], start: number, end: number): void {
  if (runs.length > 0 && runs.at(-1) === start) runs[runs.length - 1] = end;
  else runs.push(start, end);
}

/** A stretch of one column: y0 … y1 − 1. */
export interface Stretch {
  x: number;
  y0: number;
  y1: number;
}

/** Runs, cut where columns end. */
export function* stretchesOf(runs: Runs, height: number): Generator<Stretch> {
  for (let i = 0; i < runs.length; i += 2) {
    for (let at = runs[i]!; at < runs[i + 1]!; ) {
      const x = Math.floor(at / height);
      const end = Math.min(runs[i + 1]!, (x + 1) * height);
      yield { x, y0: at - x * height, y1: end - x * height };
      at = end;
    }
  }
}

/** The runs of a mask of a crop in the whole photograph. */
export function moveRuns(runs: Runs, [x0, y0, x1, y1]: Box, { width, height }: MaskSize): Runs {
  if (x0 === 0 && y0 === 0 && x1 === width && y1 === height) return runs;
  const moved: number[] = [];
  for (const { x, y0: from, y1: to } of stretchesOf(runs, y1 - y0)) {
    const column = (x + x0) * height + y0;
    appendRun(moved, column + from, column + to);
  }
  return moved;
}

/** The first and last column and row of a mask; zeros for an empty one. */
export function boxOfRuns(runs: Runs, height: number): Box {
  if (runs.length === 0) return [0, 0, 0, 0];
  const last = runs.at(-1)! - 1;
  let [top, bottom] = [height - 1, 0];
  for (let i = 0; i < runs.length; i += 2) {
    const [from, to] = [runs[i]!, runs[i + 1]! - 1];
    const beyond = Math.floor(from / height) !== Math.floor(to / height);
    top = Math.min(top, beyond ? 0 : from % height);
    bottom = Math.max(bottom, beyond ? height - 1 : to % height);
  }
  return [Math.floor(runs[0]! / height), top, Math.floor(last / height), bottom];
}

/** COCO's compressed run lengths. */
export function packRuns(runs: Runs, { width, height }: MaskSize): string {
  const counts: number[] = [];
  let at = 0;
  for (const edge of runs) {
    counts.push(edge - at);
    at = edge;
  }
  if (at < width * height) counts.push(width * height - at);
  return rleToString(counts);
}

/** Zeros and `value`, height × width, row by row. */
export function bytesOfRuns(runs: Runs, { width, height }: MaskSize, value: number): Uint8Array {
  const bytes = new Uint8Array(width * height);
  for (const { x, y0, y1 } of stretchesOf(runs, height)) {
    for (let y = y0; y < y1; y++) bytes[y * width + x] = value;
  }
  return bytes;
}
