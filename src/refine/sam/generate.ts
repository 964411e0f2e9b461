/** Automatic mask generation (Kirillov et al. 2023, appendix B): masks of everything in a photograph. */
import { cut } from "../../data/enlarge.ts";
import type { RgbImage } from "../../data/types.ts";
import { areaOfRuns, type MaskSize } from "../../formats/coco-runs.ts";
import { fittedSize, samInput } from "../../models/sam/input.ts";
import type { Sam } from "../../models/sam/sam.ts";
import { scope } from "../../torch/index.ts";
import { Clock, type MaskTimes } from "./clock.ts";
import { type Box, type Crop, cropsOf, pointGrid } from "./crops.ts";
import { canvasOf } from "./draw-masks.ts";
import { boxOfRuns, moveRuns } from "./mask-runs.ts";
import { area, suppress } from "./nms.ts";
import { assertMaskOptions, type MaskOptions } from "./options.ts";
import { type FoundMask, masksOfPoints } from "./point-masks.ts";
import { dropIslands, fillHoles } from "./small-regions.ts";

/**
 * Masks of a photograph, the expectedly best first (with crops: those of small crops first).
 * @throws CsrmError naming an option that is out of range
 */
export function generateMasks(sam: Sam, image: RgbImage, options: MaskOptions): Generated {
  const steps = maskSteps(sam, image, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

export interface Generated {
  masks: FoundMask[];
  times: MaskTimes;
}

/**
 * The same work with a step a batch of points, since a photograph may take minutes: between two of them other code may run, and the work may
 * end (`return()`).
 */
export function* maskSteps(sam: Sam, image: RgbImage, options: MaskOptions): Generator<undefined, Generated> {
  assertMaskOptions(options);
  const { crop_n_layers: layers, crop_overlap_ratio: overlap, min_mask_region_area: least } = options;
  const clock = new Clock();
  const crops = cropsOf(image, { layers, overlap });
  let masks: FoundMask[] = [];
  for (const crop of crops) masks.push(...(yield* masksOfCrop({ sam, image, crop, options, clock })));
  return clock.time("select", () => {
    if (crops.length > 1) {
      const scores = masks.map(({ crop }) => 1 / area(crop));
      masks = suppress(boxesOf(masks), scores, options.crop_nms_thresh).map((i) => masks[i]!);
    }
    if (least > 0) masks = cleaned(masks, image, { least, ...options });
    return { masks, times: clock.times };
  });
}

interface CropWork {
  sam: Sam;
  image: RgbImage;
  crop: Crop;
  options: MaskOptions;
  clock: Clock;
}

function* masksOfCrop({ sam, image, crop, options, clock }: CropWork): Generator<undefined, FoundMask[]> {
  const [left, top, right, bottom] = crop.box;
  const view = crop.layer === 0 ? image : cut(image, { left, top, width: right - left, height: bottom - top });
  const { imageSize: side } = sam.config;
  const { device } = sam.prompt_encoder.no_mask_embed.weight;
  const fitted = fittedSize(view, side);
  const perSide = Math.max(
    1,
    Math.trunc(options.points_per_side / options.crop_n_points_downscale_factor ** crop.layer),
  );
  const points = pointGrid(perSide).map(([x, y]) => [x * view.width, y * view.height] as const);
  const embedded = clock.time("embed", () => scope(() => sam.embed(samInput(view, side, device))));
  const frame = { width: view.width, height: view.height, fitted, side };
  const canvas = canvasOf(frame, embedded.embedding.size(2) * 4, device);
  const found: FoundMask[] = [];
  try {
    for (let from = 0; from < points.length; from += options.points_per_batch) {
      yield;
      const batch = points.slice(from, from + options.points_per_batch);
      found.push(
        ...masksOfPoints({ sam, embedded, canvas, points: batch, crop: crop.box, size: image, options, clock }),
      );
    }
  } finally {
    // A scope cannot last from one step to the next.
    for (const tensor of [embedded.embedding, embedded.positions, canvas.rows, canvas.columns]) tensor.dispose();
  }
  return clock.time("select", () => {
    const scores = found.map(({ predictedIou }) => predictedIou);
    const kept = suppress(boxesOf(found), scores, options.box_nms_thresh).map((i) => found[i]!);
    return kept.map((mask) => moved(mask, crop.box, image));
  });
}

function moved(mask: FoundMask, crop: Box, size: MaskSize): FoundMask {
  const [x, y] = crop;
  const [x0, y0, x1, y1] = mask.box;
  return {
    ...mask,
    runs: moveRuns(mask.runs, crop, size),
    box: [x0 + x, y0 + y, x1 + x, y1 + y],
    point: [mask.point[0] + x, mask.point[1] + y],
  };
}

/** Without small holes and islands; of masks that then overlap, one that needed no cleaning stays. */
function cleaned(
  masks: readonly FoundMask[],
  size: MaskSize,
  { least, box_nms_thresh, crop_nms_thresh }: MaskOptions & { least: number },
): FoundMask[] {
  const results = masks.map((mask) => {
    const holes = fillHoles(mask.runs, size, least);
    const islands = dropIslands(holes.runs, size, least);
    if (!holes.changed && !islands.changed) return { mask, changed: false };
    const { runs } = islands;
    return { mask: { ...mask, runs, box: boxOfRuns(runs, size.height), area: areaOfRuns(runs) }, changed: true };
  });
  const scores = results.map(({ changed }) => (changed ? 0 : 1));
  const boxes = results.map(({ mask }) => mask.box);
  return suppress(boxes, scores, Math.max(box_nms_thresh, crop_nms_thresh)).map((i) => results[i]!.mask);
}

function boxesOf(masks: readonly FoundMask[]): Box[] {
  return masks.map(({ box }) => box);
}
