/** How a training picture is cut, padded, mirrored, recoloured and blurred: random draws, their plan, and its pixels into a batch. */

import { type ColourChange, drawJitter, type JitterOptions } from "./colour.ts";
import type { DecodeOptions } from "./image.ts";
import type { Rng } from "./rng.ts";
import type { RgbImage } from "./types.ts";

/** Random changes of a training picture. */
export interface Augment {
  /**
   * "resize": exactly to the batch's size, as the paper's text says. "scale_crop": a random factor of the original size,
   * mirrored at right and bottom where too small, a random cut where too large, as the authors' code does.
   */
  crop: "resize" | "scale_crop";
  /** Range of the factor for "scale_crop". */
  scale: readonly [number, number];
  /** Probability of a horizontal flip. */
  flip: number;
  jitter: JitterOptions;
  blur: {
    /** How often a picture is blurred, 0..1. */
    probability: number;
    /** Range of the Gaussian's standard deviation in pixels. */
    radius: readonly [number, number];
  };
}

/** The paper's transforms; ranges are the authors', for whoever switches more on. */
export const augmentDefaults = {
  crop: "resize",
  scale: [0.625, 1.25],
  flip: 0.5,
  jitter: { probability: 0, brightness: 0.25, contrast: 0.25, saturation: 0.25, hue: 0.25 },
  blur: { probability: 0, radius: [0.15, 1.15] },
} as const satisfies Augment;

/** Pictures as they are, but for their size: at their own scale where they are cut, without any other change. */
export function plainly(augment: Augment): Augment {
  const { jitter, blur } = augment;
  return {
    ...augment,
    flip: 0,
    scale: [1, 1],
    jitter: { ...jitter, probability: 0 },
    blur: { ...blur, probability: 0 },
  };
}

/** One picture's draws. The flip comes first, so that it is the same whatever the crop mode. */
export interface Draws {
  flip: boolean;
  scale: number;
  /** Where the cut lies in its free play, 0..1 from left to right and from top to bottom. */
  across: number;
  down: number;
  colours: ColourChange[];
  /** Standard deviation of the blur in pixels; 0: none. */
  blur: number;
}

/** Draws for one picture; the same number of draws in every mode. */
export function drawAugmentation(rng: Rng, augment: Augment): Draws {
  const flip = rng.next() < augment.flip;
  const scale = rng.range(augment.scale[0], augment.scale[1]);
  const place = { across: rng.next(), down: rng.next() };
  const colours = drawJitter(rng, augment.jitter);
  const blurred = rng.next() < augment.blur.probability;
  const radius = rng.range(augment.blur.radius[0], augment.blur.radius[1]);
  return { flip, scale, ...place, colours, blur: blurred ? radius : 0 };
}

/**
 * What to decode when the batch has `height` × `width`. In mode "scale_crop" it depends on the picture's own size, and the
 * result may be smaller and must be padded by writePixels.
 */
export function planImage(settings: {
  height: number;
  width: number;
  crop: Augment["crop"];
  draws: Pick<Draws, "scale" | "across" | "down">;
}): NonNullable<DecodeOptions["plan"]> {
  const { height, width, draws } = settings;
  if (settings.crop === "resize") return { width, height, kernel: "cubic" };
  return (original) => {
    const scaledWidth = Math.max(1, Math.floor(original.width * draws.scale));
    const scaledHeight = Math.max(1, Math.floor(original.height * draws.scale));
    const crop = { left: 0, top: 0, width: Math.min(width, scaledWidth), height: Math.min(height, scaledHeight) };
    crop.left = Math.floor(draws.across * (scaledWidth - crop.width + 1));
    crop.top = Math.floor(draws.down * (scaledHeight - crop.height + 1));
    return { width: scaledWidth, height: scaledHeight, kernel: "linear", crop };
  };
}

/**
 * Writes a picture into its place in a batch, mirrored at the right and bottom edges (the edge itself is not repeated, as in
 * NumPy's "reflect") until the place is full, then flipped if asked.
 * @param target height × width × 3 bytes
 */
export function writePixels(
  image: RgbImage,
  target: Uint8Array,
  place: { height: number; width: number; flip: boolean },
): void {
  const { height, width, flip } = place;
  if (!flip && image.width === width && image.height === height) {
    target.set(image.data);
    return;
  }
  const columns = mirrored(image.width, width).map((x) => x * 3);
  if (flip) columns.reverse();
  const rows = mirrored(image.height, height);
  const { data } = image;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = rows[y]! * image.width * 3;
    for (let x = 0; x < width; x++) {
      const from = row + columns[x]!;
      target[at++] = data[from]!;
      target[at++] = data[from + 1]!;
      target[at++] = data[from + 2]!;
    }
  }
}

/** Source positions for `length` places over `size` samples: 0 1 2 1 0 1 2 … for size 3. */
function mirrored(size: number, length: number): Int32Array {
  const period = Math.max(1, 2 * (size - 1));
  return Int32Array.from({ length }, (_, i) => {
    const phase = i % period;
    return phase < size ? phase : period - phase;
  });
}
