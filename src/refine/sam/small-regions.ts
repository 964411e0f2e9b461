/** Small holes filled and small islands taken away, on runs; regions hang together by sides and corners. */
import type { MaskSize, Runs } from "../../formats/coco-runs.ts";
import { appendRun, type Stretch, stretchesOf } from "./mask-runs.ts";

interface Cleaned {
  runs: Runs;
  changed: boolean;
}

/** Fills holes (and bays of the photograph's edge) of less than `least` pixels. */
export function fillHoles(runs: Runs, size: MaskSize, least: number): Cleaned {
  const outside = complement(runs, size);
  const { stretches, areas } = regionsOf(outside, size);
  if (!areas.some((area) => area < least)) return { runs, changed: false };
  const left = stretches.filter((_, i) => areas[i]! >= least);
  return { runs: complement(runsOf(left, size.height), size), changed: true };
}

/** Takes away islands of less than `least` pixels, but for the largest where all are small. */
export function dropIslands(runs: Runs, size: MaskSize, least: number): Cleaned {
  const { stretches, areas, regions } = regionsOf(runs, size);
  if (!areas.some((area) => area < least)) return { runs, changed: false };
  let kept = stretches.filter((_, i) => areas[i]! >= least);
  if (kept.length === 0) {
    // Not Math.max(...areas): a large mask has more stretches than a call can have arguments.
    const most = areas.reduce((largest, area) => Math.max(largest, area), 0);
    const largest = regions[areas.indexOf(most)];
    kept = stretches.filter((_, i) => regions[i] === largest);
  }
  return { runs: runsOf(kept, size.height), changed: true };
}

/** Stretches of a mask, with the region that each belongs to and its area in pixels. */
function regionsOf(runs: Runs, { height }: MaskSize): { stretches: Stretch[]; regions: number[]; areas: number[] } {
  const stretches = [...stretchesOf(runs, height)];
  const parent = stretches.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  };
  let before = 0;
  for (const [i, { x, y0, y1 }] of stretches.entries()) {
    // Stretches are in order, so those of the column before that end above this one touch none of the later ones either.
    while (
      before < i &&
      (stretches[before]!.x < x - 1 || (stretches[before]!.x === x - 1 && stretches[before]!.y1 < y0))
    )
      before++;
    for (let k = before; k < i && stretches[k]!.x === x - 1 && stretches[k]!.y0 <= y1; k++) {
      const [a, b] = [root(k), root(i)];
      parent[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const regions = stretches.map((_, i) => root(i));
  const area = new Map<number, number>();
  for (const [i, { y0, y1 }] of stretches.entries()) area.set(regions[i]!, (area.get(regions[i]!) ?? 0) + y1 - y0);
  return { stretches, regions, areas: regions.map((region) => area.get(region)!) };
}

function runsOf(stretches: readonly Stretch[], height: number): Runs {
  const runs: number[] = [];
  for (const { x, y0, y1 } of stretches) appendRun(runs, x * height + y0, x * height + y1);
  return runs;
}

function complement(runs: Runs, { width, height }: MaskSize): Runs {
  const edges = [0, ...runs, width * height];
  const rest: number[] = [];
  for (let i = 0; i < edges.length; i += 2) if (edges[i]! < edges[i + 1]!) rest.push(edges[i]!, edges[i + 1]!);
  return rest;
}
