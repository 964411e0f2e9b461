/** Polygons to pixels by the rule of COCO's reference tools (pycocotools), pixel for pixel. */

import { expected } from "../errors.ts";
import type { MaskSize, Runs } from "./coco-runs.ts";

/** The outline is drawn on a grid this many times finer than the pixels. */
const SCALE = 5;
/** Column and row of the fine grid. */
type Point = readonly [u: number, v: number];

/** Coordinates lie in or near the image; beyond these the fine grid's numbers would say little. */
const MAX_COORDINATE = 2 ** 17;

/**
 * The pixels inside of a polygon; where it crosses itself those inside an odd number of times. The outline is walked in
 * steps of a fifth of a pixel; a step from one column of pixel centres to the next marks the pixel below it, and from every mark
 * to the next one, down the columns, inside and outside alternate.
 * @param points x and y in turn, pixel i reaching from i to i + 1; fewer than three points enclose nothing
 * @throws CsrmError (code "expected") on an odd number of coordinates or one that is far from any image
 */
export function runsOfPolygon(points: readonly number[], { height, width }: MaskSize, name: string): Runs {
  if (points.length % 2 !== 0) throw expected("x and y of every point", name, `${points.length} coordinates`);
  const wrong = points.find((value) => !(typeof value === "number" && Math.abs(value) <= MAX_COORDINATE));
  if (wrong !== undefined) throw expected(`coordinates of at most ±${MAX_COORDINATE}`, name, wrong);
  const fine = points.map((value) => Math.trunc(SCALE * value + 0.5));
  const marks: number[] = [];
  let last: Point | null = null;
  const visit = (u: number, v: number) => {
    if (last && last[0] !== u) {
      const mark = markOf(last, [u, v], { height, width });
      if (mark !== null) marks.push(mark);
    }
    last = [u, v];
  };
  for (let i = 0; i < fine.length; i += 2) {
    const next = (i + 2) % fine.length;
    walk([fine[i]!, fine[i + 1]!], [fine[next]!, fine[next + 1]!], { size: { height, width }, visit });
  }
  return alternate(marks, height * width);
}

/** The grid points of an edge that may leave marks, in order from its first to its last: one a step along the longer side. */
function walk(
  from: Point,
  to: Point,
  { size, visit }: { size: MaskSize; visit: (u: number, v: number) => void },
): void {
  const [dx, dy] = [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
  const flat = dx >= dy;
  const steps = flat ? dx : dy;
  // Computed from the same end in either direction, so that neighbours that share an edge share its pixels.
  const flip = flat ? from[0] > to[0] : from[1] > to[1];
  const [a, b] = flip ? [to, from] : [from, to];
  const slope = steps === 0 ? 0 : (flat ? b[1] - a[1] : b[0] - a[0]) / steps;
  const at = (step: number): Point => {
    const t = flip ? steps - step : step;
    return flat ? [a[0] + t, Math.trunc(a[1] + slope * t + 0.5)] : [Math.trunc(a[0] + slope * t + 0.5), a[1] + t];
  };
  // Far from the picture only the columns that are passed count, so a long way there is not walked row by row.
  const limit = (flat ? size.width : size.height) * SCALE + SCALE;
  const start = flat ? a[0] : a[1];
  const near = [Math.max(0, -SCALE - start), Math.min(steps, limit - start)] as const;
  const [first, last] = flip ? [steps - near[1], steps - near[0]] : near;
  const across = ([begin]: Point, [end]: Point, v: number) => {
    const inside = (u: number) => Math.min(Math.max(u, -SCALE), size.width * SCALE + SCALE);
    const [u, stop] = [inside(begin), inside(end)];
    for (let way = 0; way <= Math.abs(stop - u); way++) visit(u + way * Math.sign(stop - u), v);
  };
  if (first > last) across(from, to, from[1]);
  else {
    across(from, at(first), from[1]);
    for (let step = first; step <= last; step++) visit(...at(step));
    across(at(last), to, to[1]);
  }
}

/** The pixel at which a step between two columns of the fine grid changes inside and outside; null when none does. */
function markOf(before: Point, after: Point, { height, width }: MaskSize): number | null {
  const x = (Math.min(before[0], after[0]) + 0.5) / SCALE - 0.5;
  if (!Number.isInteger(x) || x < 0 || x > width - 1) return null;
  const y = (Math.min(before[1], after[1]) + 0.5) / SCALE - 0.5;
  return x * height + Math.ceil(Math.min(Math.max(y, 0), height));
}

function alternate(marks: number[], end: number): Runs {
  marks.sort((a, b) => a - b);
  if (marks.length % 2 === 1) marks.push(end);
  const runs: number[] = [];
  for (let i = 0; i < marks.length; i += 2) {
    const [start, stop] = [marks[i]!, marks[i + 1]!];
    if (start === stop) continue;
    if (runs.at(-1) === start) runs[runs.length - 1] = stop;
    else runs.push(start, stop);
  }
  return runs;
}
