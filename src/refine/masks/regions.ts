/** Region proposals without a network: the segments of a picture's colours at several scales, as masks to merge labels with. */
import type { RgbImage } from "../../data/types.ts";
import { expected } from "../../errors.ts";
import type { MaskSize, Runs } from "../../formats/coco-runs.ts";
import type { Sides } from "../photographs.ts";
import { colourGraph, segmentGraph } from "./felzenszwalb.ts";
import { medianFiltered } from "./median.ts";

export interface RegionSettings {
  /** Scales of the segmentation; the larger, the larger the regions. */
  scales: readonly number[];
  /** Side in pixels, odd, of the square whose median takes the place of each pixel: texture goes, outlines stay. 1 leaves it all. */
  median: number;
  /** Smoothing of the picture after that, standard deviation in pixels. */
  sigma: number;
  /** Regions have at least this many pixels. */
  min_size: number;
  /** Longest side at which smaller photographs are segmented, enlarged: the other settings are pixels. */
  min_side: number;
  /** Longest side at which larger photographs are segmented; time and memory grow with the pixels (0.2 KB each). */
  max_side: number;
}

export const DEFAULT_REGIONS: RegionSettings = {
  scales: [60, 90, 130, 200],
  median: 7,
  sigma: 0.8,
  min_size: 50,
  min_side: 250,
  max_side: 1000,
};

/** Sides of the median's square, and of photographs that are enlarged, beyond which the work only takes longer. */
const LARGEST_MEDIAN = 99;
const LARGEST_ENLARGED = 4000;

/** Sides at which photographs are segmented. */
export function regionSides({ min_side, max_side }: RegionSettings): Sides {
  return { least: min_side, most: max_side };
}

/** @throws CsrmError naming the setting */
export function assertRegionSettings(settings: RegionSettings): void {
  const { scales, median, sigma, min_size, min_side, max_side } = settings;
  if (scales.length === 0 || !scales.every((scale) => scale > 0 && scale < 1e9)) {
    throw expected("numbers above 0", "the regions' scales", scales);
  }
  if (!(Number.isInteger(median) && median % 2 === 1 && median >= 1 && median <= LARGEST_MEDIAN)) {
    throw expected(`an odd number from 1 to ${LARGEST_MEDIAN}`, "the regions' median", median);
  }
  if (!(sigma >= 0 && sigma <= 20)) throw expected("a number in 0..20", "the regions' sigma", sigma);
  if (!(Number.isInteger(min_size) && min_size >= 1)) {
    throw expected("a whole number from 1", "the regions' min_size", min_size);
  }
  if (!(Number.isInteger(min_side) && min_side >= 1 && min_side <= LARGEST_ENLARGED)) {
    throw expected(`a whole number from 1 to ${LARGEST_ENLARGED}`, "the regions' min_side", min_side);
  }
  if (!(Number.isInteger(max_side) && max_side >= 2)) {
    throw expected("a whole number from 2", "the regions' max_side", max_side);
  }
}

/**
 * The regions of all scales. Those of one scale cover the picture without overlap.
 * @param size of the masks, where the picture was resized
 * @returns pixels of `size`, numbered down the columns
 */
export function regionProposals(image: RgbImage, settings: RegionSettings, size: MaskSize = image): Runs[] {
  const graph = colourGraph(medianFiltered(image, settings.median), settings.sigma);
  return settings.scales.flatMap((scale) => {
    const data = segmentGraph(graph, { scale, minSize: settings.min_size });
    return runsOfSegments({ data, width: image.width, height: image.height }, size);
  });
}

interface Segments {
  /** Numbers from 0 without gaps, row by row. */
  data: Uint32Array;
  width: number;
  height: number;
}

function runsOfSegments({ data, width, height }: Segments, size: MaskSize): Runs[] {
  const runs: number[][] = [];
  let last = -1;
  let at = 0;
  for (let column = 0; column < size.width; column++) {
    const x = Math.floor(((column + 0.5) * width) / size.width);
    for (let row = 0; row < size.height; row++) {
      const segment = data[Math.floor(((row + 0.5) * height) / size.height) * width + x]!;
      if (segment !== last) {
        if (last >= 0) runs[last]!.push(at);
        runs[segment] ??= [];
        runs[segment].push(at);
        last = segment;
      }
      at++;
    }
  }
  runs[last]!.push(at);
  return runs.filter((found) => found !== undefined); // a region too thin for a smaller size
}
