/** 06-pseudo-labels.json: CAMs, tags and the labels that the reference makes of them. */
import type { Golden } from "../helpers/golden.ts";
import { readGolden } from "../helpers/golden.ts";

export interface PseudoLabelCase {
  bg_threshold: number;
  fg_threshold: number;
  /** Run lengths over (y, x), one list an image; final class ids. */
  expected: number[][];
  expected_without_crf: number[][];
  paper_order_without_crf: number[][];
  /** Local indices: background, then the image's classes. */
  fg_only_labeling: number[][];
  bg_only_labeling: number[][];
  /** Flat indices of pixels where two scores are so close that another label is no error. */
  ambiguous_pixels: number[][];
  ambiguous_pixels_without_crf: number[][];
}

export const pseudo = readGolden<{
  images: string[];
  crf_images: string[];
  size_hw: [number, number];
  labels: Golden;
  cams_raw: Golden;
  cases: PseudoLabelCase[];
  cam_normalised: Golden;
  cam_normalised_upsampled: Golden;
  cam_upsampled_then_normalised: Golden;
}>("06-pseudo-labels");

/** Pixels whose label differs and is not ambiguous. */
export function differing(
  actual: readonly number[],
  wanted: readonly number[],
  ambiguous: readonly number[] = [],
): number[] {
  const near = new Set(ambiguous);
  return wanted.flatMap((label, i) => (actual[i] === label || near.has(i) ? [] : [i]));
}
