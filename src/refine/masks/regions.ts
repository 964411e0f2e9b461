/** Region proposals without a network: the segments of a picture's colours at several scales, as masks to merge labels with. */
import type { RgbImage } from "../../data/types.ts";
import type { Runs } from "../../formats/coco-runs.ts";
import { colourGraph, segmentGraph } from "./felzenszwalb.ts";

export interface RegionSettings {
  /** Scales of the segmentation; the larger, the larger the regions. */
  scales: readonly number[];
  /** Smoothing of the picture before, standard deviation in pixels. */
  sigma: number;
  /** Regions have at least this many pixels. */
  min_size: number;
}

/** The regions of all scales, as pixels numbered down the columns. Those of one scale cover the picture without overlap. */
export function regionProposals(image: RgbImage, settings: RegionSettings): Runs[] {
  const graph = colourGraph(image, settings.sigma);
  return settings.scales.flatMap((scale) =>
    runsOfSegments(segmentGraph(graph, { scale, minSize: settings.min_size }), image),
  );
}

/** @param segments numbers from 0 without gaps, row by row */
function runsOfSegments(segments: Uint32Array, { width, height }: { width: number; height: number }): Runs[] {
  const runs: number[][] = [];
  let last = -1;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      const segment = segments[y * width + x]!;
      const at = x * height + y;
      if (segment !== last) {
        if (last >= 0) runs[last]!.push(at);
        runs[segment] ??= [];
        runs[segment].push(at);
        last = segment;
      }
    }
  }
  runs[last]!.push(width * height);
  return runs;
}
