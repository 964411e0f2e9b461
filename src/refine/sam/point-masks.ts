/** A batch of points put to the network, and of what it answers the masks that pass the filters. */
import { CsrmError } from "../../errors.ts";
import { areaOfRuns, type MaskSize, type Runs } from "../../formats/coco-runs.ts";
import { type Decoded, MASKS } from "../../models/sam/mask-decoder.ts";
import { foregroundPoints } from "../../models/sam/prompt-encoder.ts";
import type { Embedded, Sam } from "../../models/sam/sam.ts";
import { cat, fromTypedArray, noGrad, scope, type Tensor } from "../../torch/index.ts";
import type { Clock } from "./clock.ts";
import { type Box, isCut } from "./crops.ts";
import { type Canvas, drawnRuns, stabilityScores } from "./draw-masks.ts";
import { boxOfRuns } from "./mask-runs.ts";
import type { MaskOptions } from "./options.ts";

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

export interface PointWork {
  sam: Sam;
  embedded: Embedded;
  canvas: Canvas;
  /** In pixels of the crop. */
  points: readonly (readonly [number, number])[];
  crop: Box;
  /** The photograph. */
  size: MaskSize;
  options: MaskOptions;
  clock: Clock;
}

/** The masks of a batch of points that pass the filters; runs, boxes and points are those of the crop. */
export function masksOfPoints({ sam, embedded, canvas, points, crop, size, options, clock }: PointWork): FoundMask[] {
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
        if (!ious.every(Number.isFinite)) {
          throw new CsrmError("the network expects a quality that is no number of its masks; its weights are damaged", {
            code: "weights",
          });
        }
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
        return masks.filter(({ box }) => !isCut(box, crop, [0, 0, size.width, size.height]));
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
