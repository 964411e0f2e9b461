/** Options of the automatic mask generation, by the names and with the defaults of the public code. */
import { expected } from "../../errors.ts";

export interface MaskOptions {
  /** The grid has this many points along each side of the photograph. */
  points_per_side: number;
  /** Points that the decoder works on at once: memory, not results. */
  points_per_batch: number;
  /** Least expected intersection over union that a mask is kept for. */
  pred_iou_thresh: number;
  /** Least stability: area where the logit exceeds +offset ÷ area where it exceeds −offset. */
  stability_score_thresh: number;
  stability_score_offset: number;
  /** Of two boxes whose intersection over union exceeds this, the one with the higher expected quality stays. */
  box_nms_thresh: number;
  /** Layer i cuts the photograph into 4^i overlapping crops that are searched too. */
  crop_n_layers: number;
  /** As box_nms_thresh, between crops; masks of smaller crops win. */
  crop_nms_thresh: number;
  /** How far crops of the first layer overlap, in shorter sides of the photograph. */
  crop_overlap_ratio: number;
  /** Layer i has points_per_side ÷ this^i points along a side. */
  crop_n_points_downscale_factor: number;
  /** Holes and islands of less than this many pixels are removed; 0: none. */
  min_mask_region_area: number;
}

export const maskDefaults = {
  points_per_side: 32,
  points_per_batch: 64,
  pred_iou_thresh: 0.88,
  stability_score_thresh: 0.95,
  stability_score_offset: 1,
  box_nms_thresh: 0.7,
  crop_n_layers: 0,
  crop_nms_thresh: 0.7,
  crop_overlap_ratio: 512 / 1500,
  crop_n_points_downscale_factor: 1,
  min_mask_region_area: 0,
} satisfies MaskOptions;

/** What each option may be. Crops beyond the fourth layer would be over a thousand. */
export const maskRanges: Record<keyof MaskOptions, { least: number; most: number; whole: boolean }> = {
  points_per_side: { least: 1, most: 512, whole: true },
  points_per_batch: { least: 1, most: 4096, whole: true },
  pred_iou_thresh: { least: 0, most: 1, whole: false },
  stability_score_thresh: { least: 0, most: 1, whole: false },
  stability_score_offset: { least: 0, most: 1000, whole: false },
  box_nms_thresh: { least: 0, most: 1, whole: false },
  crop_n_layers: { least: 0, most: 4, whole: true },
  crop_nms_thresh: { least: 0, most: 1, whole: false },
  crop_overlap_ratio: { least: 0, most: 1, whole: false },
  crop_n_points_downscale_factor: { least: 1, most: 512, whole: true },
  min_mask_region_area: { least: 0, most: 2 ** 28, whole: true },
};

/** @throws CsrmError naming the first option that is out of range */
export function assertMaskOptions(options: MaskOptions): void {
  for (const [name, { least, most, whole }] of Object.entries(maskRanges)) {
    const value = options[name as keyof MaskOptions];
    const fits = value >= least && value <= most && (!whole || Number.isInteger(value));
    if (!fits) throw expected(`a ${whole ? "whole " : ""}number in ${least}..${most}`, name, value);
  }
}
