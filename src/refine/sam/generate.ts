/** Automatic mask generation (Kirillov et al. 2023, section 4 of the supplement): masks of everything in a photograph. */

import { cut } from "../../data/enlarge.ts";
import type { RgbImage } from "../../data/types.ts";
import { areaOfRuns, type MaskSize, type Runs } from "../../formats/coco-runs.ts";
import { fittedSize, samInput } from "../../models/sam/input.ts";
import { type Decoded, MASKS } from "../../models/sam/mask-decoder.ts";
import { foregroundPoints } from "../../models/sam/prompt-encoder.ts";
import type { Embedded, Sam } from "../../models/sam/sam.ts";
import { cat, fromTypedArray, noGrad, scope, type Tensor } from "../../torch/index.ts";
import { type Box, type Crop, cropsOf, isCut, pointGrid } from "./crops.ts";
import { type Canvas, canvasOf, drawnRuns, stabilityScores } from "./draw-masks.ts";
import { boxOfRuns, moveRuns } from "./mask-runs.ts";
import { area, suppress } from "./nms.ts";
import { assertMaskOptions, type MaskOptions } from "./options.ts";
import { dropIslands, fillHoles } from "./small-regions.ts";

/** A mask that was found. */
export interface FoundMask {
  /** Its pixels in the photograph, down the columns. */
  runs: Runs;
  /** First and last column and row. */
  box: Box;
  /** In pixels. */
  area: number;
  predictedIou: number;
  stability: number;
  /** Where the network was pointed, in pixels. */
  point: readonly [x: number, y: number];
  /** The crop that it was found in. */
  crop: Box;
}

/** Where the time went, in seconds. */
export interface MaskTimes {
  /** Resizing and the image encoder. */
  embed: number;
  /** Prompts, transformer and masks at a quarter of the input's resolution. */
  decode: number;
  /** Stability and runs at the photograph's resolution. */
  draw: number;
  /** Suppression and cleaning. */
  select: number;
}

/**
 * Masks of a photograph, the expectedly best first (with crops: those of small crops first).
 * @throws CsrmError naming an option that is out of range
 */
export function generateMasks(
  sam: Sam,
  image: RgbImage,
  options: MaskOptions,
): { masks: FoundMask[]; times: MaskTimes } {
  assertMaskOptions(options);
  const { crop_n_layers: layers, crop_overlap_ratio: overlap, min_mask_region_area: least } = options;
  const clock = new Clock();
  const crops = cropsOf(image, { layers, overlap });
  let masks = crops.flatMap((crop) => masksOfCrop({ sam, image, crop, options, clock }));
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

function masksOfCrop({ sam, image, crop, options, clock }: CropWork): FoundMask[] {
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
  return scope(() => {
    const embedded = clock.time("embed", () => scope(() => sam.embed(samInput(view, side, device))));
    const frame = { width: view.width, height: view.height, fitted, side };
    const canvas = canvasOf(frame, embedded.embedding.size(2) * 4, device);
    const found: FoundMask[] = [];
    for (let from = 0; from < points.length; from += options.points_per_batch) {
      const batch = points.slice(from, from + options.points_per_batch);
      found.push(...masksOfPoints({ sam, embedded, canvas, points: batch, crop: crop.box, image, options, clock }));
    }
    return clock.time("select", () => {
      const scores = found.map(({ predictedIou }) => predictedIou);
      const kept = suppress(boxesOf(found), scores, options.box_nms_thresh).map((i) => found[i]!);
      return kept.map((mask) => moved(mask, crop.box, image));
    });
  });
}

interface PointWork extends Omit<CropWork, "crop"> {
  embedded: Embedded;
  canvas: Canvas;
  /** In pixels of the crop. */
  points: readonly (readonly [number, number])[];
  crop: Box;
}

/** The masks of a batch of points that pass the filters; runs, boxes and points are those of the crop. */
function masksOfPoints({ sam, embedded, canvas, points, crop, image, options, clock }: PointWork): FoundMask[] {
  const { pred_iou_thresh, stability_score_thresh, stability_score_offset } = options;
  const { width, height, fitted } = canvas.frame;
  const { device } = embedded.embedding;
  return noGrad(() =>
    scope(() => {
      const good = clock.time("decode", () => {
        const seen = points.map(([x, y]) => [x * (fitted[1] / width), y * (fitted[0] / height)] as const);
        const decoded = sam.decode(embedded, { points: foregroundPoints(seen, device) });
        // Mask 0 is for prompts without doubt; a single point leaves much.
        const ious = decoded.iou.narrow(1, 1, 3).toArray();
        const places = ious.flatMap((iou, i) => (pred_iou_thresh === 0 || iou > pred_iou_thresh ? [i] : []));
        return { ious, places, logits: places.length > 0 ? pick(sam, decoded, places) : null };
      });
      if (!good.logits) return [];
      const { logits, places, ious } = good;
      return clock.time("draw", () => {
        const stabilities = stabilityScores(logits, canvas, stability_score_offset);
        const stable = stabilities.flatMap((each, i) =>
          stability_score_thresh === 0 || each >= stability_score_thresh ? [i] : [],
        );
        if (stable.length === 0) return [];
        const runs = drawnRuns(logits.indexSelect(0, positions(stable, device)), canvas);
        const masks = stable.map((i, k): FoundMask => {
          const [place, own] = [places[i]!, runs[k]!];
          return {
            runs: own,
            box: boxOfRuns(own, height),
            area: areaOfRuns(own),
            predictedIou: ious[place]!,
            stability: stabilities[i]!,
            point: points[Math.floor(place / 3)]!,
            crop,
          };
        });
        return masks.filter(({ box }) => !isCut(box, crop, [0, 0, image.width, image.height]));
      });
    }),
  );
}

/** Prompts whose masks are drawn at once; each takes 30 MB on the way. */
const DRAWN = 16;

/**
 * Logits [n, 4h, 4w] of the masks at these places, ascending, where place 3i + j is mask j + 1 of prompt i. Masks are drawn only for
 * prompts that have one to keep.
 */
function pick(sam: Sam, decoded: Decoded, places: readonly number[]): Tensor {
  const { device } = decoded.iou;
  const prompts = [...new Set(places.map((place) => Math.floor(place / 3)))];
  const parts: Tensor[] = [];
  for (let from = 0; from < prompts.length; from += DRAWN) {
    const some = prompts.slice(from, from + DRAWN);
    const row = new Map(some.map((prompt, i) => [prompt, i]));
    const chosen = places.flatMap((place) => {
      const own = row.get(Math.floor(place / 3));
      return own === undefined ? [] : [own * MASKS + 1 + (place % 3)];
    });
    parts.push(
      scope(() => {
        const index = positions(some, device);
        const [tokens, cells] = [decoded.tokens.indexSelect(0, index), decoded.cells.indexSelect(0, index)];
        const masks = sam.mask_decoder.masks({ ...decoded, tokens, cells }); // [some, 4, 4h, 4w]
        return masks.flatten(0, 1).indexSelect(0, positions(chosen, device));
      }),
    );
  }
  return cat(parts);
}

function positions(values: readonly number[], device: string): Tensor {
  return fromTypedArray(BigInt64Array.from(values, BigInt), [values.length]).to({ device });
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

class Clock {
  readonly times: MaskTimes = { embed: 0, decode: 0, draw: 0, select: 0 };

  time<Result>(part: keyof MaskTimes, work: () => Result): Result {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.times[part] += (performance.now() - start) / 1000;
    }
  }
}
