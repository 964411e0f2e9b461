/** The decoder's logits at the photograph's size: stability, box and runs of each mask, in parts whatever that size is. */
import type { Runs } from "../../formats/coco-runs.ts";
import { eye, F, noGrad, scope, type Tensor } from "../../torch/index.ts";
import { RunFinder } from "./mask-runs.ts";

/** Logits that exist at once at the photograph's size. */
const PART = 2 ** 22;
/** Logits halfway: at the photograph's height, but with the decoder's columns. */
const HALFWAY = 2 ** 23;
/** Columns of the decoder's masks whose share of the photograph is drawn at once: few, so that little is multiplied by zero. */
const COLUMNS = 16;

/** The photograph (or crop) and what it was resized to. */
export interface Frame {
  width: number;
  height: number;
  /** [height, width] within the square input. */
  fitted: readonly [number, number];
  /** Side of the square input. */
  side: number;
}

/** Linear maps from the decoder's rows and columns to the photograph's. */
export interface Canvas {
  frame: Frame;
  /** [4h, height]: the columns hold the weights of a row of the photograph. */
  rows: Tensor;
  /** [4w, width] */
  columns: Tensor;
}

/**
 * Bilinear enlargement to the square input, the cut to the photograph's part of it, bilinear resizing to the photograph: all are linear
 * in rows and columns by themselves, so together they are one product with a matrix on each side.
 * @param cells side of the decoder's masks, 4h
 */
export function canvasOf(frame: Frame, cells: number, device = "cpu"): Canvas {
  const weights = (fitted: number, length: number) => {
    const unit = eye(cells, { device }).reshape([1, 1, cells, cells]);
    const enlarged = F.interpolate(unit, { size: [cells, frame.side], mode: "bilinear" }).narrow(3, 0, fitted);
    return F.interpolate(enlarged, { size: [cells, length], mode: "bilinear" }).reshape([cells, length]);
  };
  return noGrad(() =>
    scope(() => ({
      frame,
      rows: weights(frame.fitted[0], frame.height),
      columns: weights(frame.fitted[1], frame.width),
    })),
  );
}

/**
 * Calls back with the logits of a few masks and columns at a time, from the left to the right for each mask.
 * @param logits [n, 4h, 4w]
 * @param visit gets [k, columns, height] for the masks from `first` on
 */
function drawParts(
  logits: Tensor,
  { frame, rows, columns }: Canvas,
  visit: (part: Tensor, first: number) => void,
): void {
  const [count, , cells] = logits.shape as [number, number, number];
  const { width, height } = frame;
  const group = Math.max(1, Math.floor(HALFWAY / (cells * height)));
  for (let first = 0; first < count; first += group) {
    scope(() => {
      const some = logits.narrow(0, first, Math.min(group, count - first));
      const tall = some.transpose(1, 2).matmul(rows); // [k, 4w, height]
      const most = Math.max(1, Math.floor(PART / (height * some.size(0))));
      const step = Math.max(1, Math.min(most, Math.ceil((width * COLUMNS) / cells)));
      for (let x = 0; x < width; x += step) {
        const wide = Math.min(step, width - x);
        const [from, to] = support(x, x + wide - 1, frame, cells);
        scope(() => {
          const weights = columns
            .narrow(0, from, to - from)
            .narrow(1, x, wide)
            .transpose(0, 1); // [wide, to − from]
          visit(weights.matmul(tall.narrow(1, from, to - from)), first); // [k, wide, height]
        });
      }
    });
  }
}

/** The decoder's columns that columns x0…x1 of the photograph are made of: [from, to). */
function support(x0: number, x1: number, { width, fitted, side }: Frame, cells: number): [number, number] {
  const seen = (x: number) => (((x + 0.5) * fitted[1]) / width) * (cells / side) - 0.5;
  // Two cells of room for the neighbours that both interpolations take in.
  return [Math.max(0, Math.floor(seen(x0)) - 2), Math.min(cells, Math.ceil(seen(x1)) + 3)];
}

/**
 * How little a mask depends on its threshold: pixels above threshold + offset ÷ pixels above threshold − offset.
 * @param logits [n, 4h, 4w]
 * @returns NaN where no pixel exceeds the lower threshold
 */
export function stabilityScores(logits: Tensor, canvas: Canvas, offset: number): number[] {
  const inner = new Float64Array(logits.size(0));
  const outer = new Float64Array(logits.size(0));
  const count = (into: Float64Array, first: number, inside: Tensor) => {
    for (const [i, pixels] of inside.sum([1, 2]).toArray().entries()) into[first + i]! += pixels;
  };
  noGrad(() =>
    drawParts(logits, canvas, (part, first) => {
      count(inner, first, part.gt(offset));
      count(outer, first, part.gt(-offset));
    }),
  );
  return [...inner].map((pixels, i) => pixels / outer[i]!);
}

/** Runs down the columns of the pixels whose logit exceeds 0. @param logits [n, 4h, 4w] */
export function drawnRuns(logits: Tensor, canvas: Canvas): Runs[] {
  const finders = Array.from({ length: logits.size(0) }, () => new RunFinder());
  noGrad(() =>
    drawParts(logits, canvas, (part, first) => {
      const inside = part.gt(0).byte();
      const bytes = inside.toTypedArray() as Uint8Array;
      const each = bytes.length / part.size(0);
      for (let i = 0; i < part.size(0); i++) finders[first + i]!.push(bytes.subarray(i * each, (i + 1) * each));
    }),
  );
  return finders.map(({ runs }) => runs);
}
