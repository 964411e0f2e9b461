/** A photograph and its label map resized, cut, padded and mirrored as one, as DeepLab's trainings do: plans and pixels. */
import { CsrmError } from "../errors.ts";
import { decodeImage, type ImagePlan } from "./image.ts";
import type { Rng } from "./rng.ts";
import type { RgbImage } from "./types.ts";

/** The label of what lies beside a photograph, and of pixels without a label. */
const VOID = 255;

/** Class indices 0…K−1 or 255 = none, height × width, row by row. */
export interface PairLabels {
  data: Uint8Array;
  width: number;
  height: number;
}

export interface PairOptions {
  /** The labels of an image, of its size; rejects naming the file. Where they come from is the caller's affair: this layer opens none. */
  labels(id: string): Promise<PairLabels>;
  resize: {
    /** Range of whole pixels that the longer side is drawn from. */
    longest: readonly [least: number, most: number];
    /** Factors to draw from instead. */
    factors?: readonly number[] | null;
  };
  /** Resampling of photographs; labels take the nearest pixel. */
  kernel: ImagePlan["kernel"];
  /** Where a photograph smaller than the batch's size lies in it. */
  place: "random" | "corner";
  /** Colour beside it, RGB bytes. */
  padding: readonly [number, number, number];
  /** How often both are mirrored, 0..1. */
  flip: number;
}

/** One pair's draws: `size` from the range or list of sizes, `across` and `down` where the cut lies in its free play; 0..1. */
export interface PairDraws {
  flip: boolean;
  size: number;
  across: number;
  down: number;
}

/** The same number of draws for every pair. */
export function drawPair(rng: Rng, { flip }: Pick<PairOptions, "flip">): PairDraws {
  return { flip: rng.next() < flip, size: rng.next(), across: rng.next(), down: rng.next() };
}

/** What becomes of a picture: its new size, the part that is used, and where that lies in the batch's place. */
export interface PairPlan extends ImagePlan {
  crop: NonNullable<ImagePlan["crop"]>;
  left: number;
  top: number;
}

type Sides = { width: number; height: number };

/** @param original size of the picture @param place size of the batch's pictures */
export function planPair(
  original: Sides,
  place: Sides,
  draws: PairDraws,
  options: Pick<PairOptions, "resize" | "kernel" | "place">,
): PairPlan {
  const factor = factorOf(original, draws.size, options.resize);
  const width = Math.max(1, Math.round(original.width * factor));
  const height = Math.max(1, Math.round(original.height * factor));
  const across = span(width, place.width, draws.across, options.place);
  const down = span(height, place.height, draws.down, options.place);
  const crop = { left: across.from, top: down.from, width: across.length, height: down.length };
  return { width, height, kernel: options.kernel, crop, left: across.to, top: down.to };
}

function factorOf({ width, height }: Sides, draw: number, resize: PairOptions["resize"]): number {
  const { factors, longest } = resize;
  if (factors) return factors[Math.floor(draw * factors.length)]!;
  const [least, most] = longest;
  return (least + Math.floor(draw * (most - least + 1))) / Math.max(width, height);
}

/** Along one axis: too much is cut at a drawn place, too little is laid at a drawn place or at the beginning. */
function span(have: number, want: number, draw: number, place: PairOptions["place"]) {
  const play = Math.floor(draw * (Math.abs(have - want) + 1));
  if (have >= want) return { from: play, to: 0, length: want };
  return { from: 0, to: place === "random" ? play : 0, length: have };
}

/** Where a pair goes: height × width × 3 bytes of RGB, height × width labels. */
export interface PairTarget extends Sides {
  pixels: Uint8Array;
  labels: Uint8Array;
}

/**
 * Decodes a photograph and writes it and its labels into their places.
 * @throws CsrmError (code "image") when the photograph cannot be decoded; (code "data") when the label map has another size
 */
export async function loadPair(
  file: string,
  labels: PairLabels,
  target: PairTarget,
  { draws, options }: { draws: PairDraws; options: PairOptions },
): Promise<void> {
  let size: Sides = labels;
  const plan = planPair(labels, target, draws, options);
  const image = await decodeImage(file, {
    plan(original) {
      size = original;
      return plan;
    },
  });
  if (size.width !== labels.width || size.height !== labels.height) throw otherSize(file, size, labels);
  writePair(image, labels, target, { plan, flip: draws.flip, padding: options.padding });
}

/** @param image what the plan's crop cut out @param labels the whole map, of the photograph's own size */
export function writePair(
  image: RgbImage,
  labels: PairLabels,
  target: PairTarget,
  { plan, flip, padding }: { plan: PairPlan; flip: boolean; padding: readonly [number, number, number] },
): void {
  const { width, pixels } = target;
  for (let i = 0; i < pixels.length; i += 3) pixels.set(padding, i);
  target.labels.fill(VOID);
  const columns = nearest(plan.crop.left, plan.crop.width, plan.width, labels.width);
  const rows = nearest(plan.crop.top, plan.crop.height, plan.height, labels.height);
  for (let y = 0; y < plan.crop.height; y++) {
    for (let x = 0; x < plan.crop.width; x++) {
      const across = flip ? width - 1 - plan.left - x : plan.left + x;
      const to = (plan.top + y) * width + across;
      const from = (y * image.width + x) * 3;
      for (let c = 0; c < 3; c++) pixels[to * 3 + c] = image.data[from + c]!;
      target.labels[to] = labels.data[rows[y]! * labels.width + columns[x]!]!;
    }
  }
}

/** The source pixels at whose centres those of a resized axis lie: `length` of them from `start` on. */
function nearest(start: number, length: number, size: number, have: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => Math.min(have - 1, Math.floor(((start + i + 0.5) * have) / size)));
}

function otherSize(file: string, image: Sides, labels: Sides): CsrmError {
  return new CsrmError(
    `expected a label map of the size of ${file}, ${image.width}×${image.height}, got ${labels.width}×${labels.height}`,
    { code: "data" },
  );
}
