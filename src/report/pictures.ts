/** Pictures of results: class colours and heat maps over photographs, and JPEGs that a page can hold in itself. */
import sharp, { type Sharp } from "sharp";
import type { RgbImage } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { LabelMap } from "../evaluation/confusion.ts";
import type { CamFile } from "../evaluation/predictions.ts";
import { vocPalette } from "../formats/palette.ts";
import { heatPalette } from "./colours.ts";

/**
 * Class colours are laid over part of the photograph's light, not mixed with it: many of them are too dark for that.
 */
const CLASS_STRENGTH = 0.92;
const CLASS_LIGHT = 0.4;
const HEAT_ALPHA = 0.6;
/** What is left of the photograph's light under background, so that the classes stand out. */
const BACKGROUND_LIGHT = 0.55;
const IGNORE = 255;

/**
 * Label colours over a grayed photograph, with light outlines where labels change.
 * @param labels dataset ids in the image's size; 0 (background) darkens, 255 (ignore) is shown in its own pale colour
 */
export function overlayLabels(image: RgbImage, labels: LabelMap): RgbImage {
  sameSize(image, labels, "labels");
  const palette = vocPalette();
  const { width, height } = image;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const id = labels.data[i]!;
      const right = x + 1 < width ? labels.data[i + 1]! : id;
      const below = y + 1 < height ? labels.data[i + width]! : id;
      const edge =
        (right !== id && right !== IGNORE && id !== IGNORE) || (below !== id && below !== IGNORE && id !== IGNORE);
      const light = luma(image.data, i);
      for (let c = 0; c < 3; c++) {
        const colour = palette[id * 3 + c]!;
        const value = id === 0 ? light * BACKGROUND_LIGHT : colour * CLASS_STRENGTH + light * CLASS_LIGHT;
        data[i * 3 + c] = edge ? 245 : Math.min(255, value);
      }
    }
  }
  return { data, width, height };
}

/**
 * The strongest activation of each pixel as a heat map over a grayed photograph.
 * @param cam maps of any size, scores 0–1 (clipped); without maps everything is cold
 */
export async function overlayHeat(
  image: RgbImage,
  cam: Pick<CamFile, "scores" | "width" | "height">,
): Promise<RgbImage> {
  const { width, height } = image;
  const area = cam.width * cam.height;
  const strongest = new Uint8Array(area);
  for (let i = 0; i < cam.scores.length; i++) {
    const level = Math.round(255 * Math.min(1, Math.max(0, cam.scores[i]!)));
    if (level > strongest[i % area]!) strongest[i % area] = level;
  }
  const levels = await sharp(strongest, { raw: { width: cam.width, height: cam.height, channels: 1 } })
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .extractChannel(0)
    .raw()
    .toBuffer();
  const palette = heatPalette();
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < levels.length; i++) {
    const light = luma(image.data, i);
    for (let c = 0; c < 3; c++) {
      data[i * 3 + c] = light + (palette[levels[i]! * 3 + c]! - light) * HEAT_ALPHA;
    }
  }
  return { data, width, height };
}

/** An image made smaller where a side is longer than `longest`. */
export async function fitInside(image: RgbImage, longest: number): Promise<RgbImage> {
  if (Math.max(image.width, image.height) <= longest) return image;
  const { data, info } = await rawSharp(image)
    .resize(longest, longest, { fit: "inside" })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** An image as JPEG, at most `longest` pixels on its longer side. */
export async function jpegOf(image: RgbImage, longest: number): Promise<Uint8Array> {
  return await rawSharp(image)
    .resize(longest, longest, { fit: "inside", withoutEnlargement: true })
    .jpeg({ quality: 82, mozjpeg: true })
    .toBuffer();
}

/** A JPEG as an address that a page can hold in itself. */
export function dataUri(jpeg: Uint8Array): string {
  return `data:image/jpeg;base64,${Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength).toString("base64")}`;
}

/** An image as the input of a sharp pipeline. */
export function rawSharp(image: RgbImage): Sharp {
  return sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });
}

/** Brightness 0–255 of pixel i (Rec. 601 weights). */
function luma(rgb: Uint8Array, i: number): number {
  return 0.299 * rgb[i * 3]! + 0.587 * rgb[i * 3 + 1]! + 0.114 * rgb[i * 3 + 2]!;
}

function sameSize(image: RgbImage, other: { width: number; height: number }, what: string): void {
  if (image.width === other.width && image.height === other.height) return;
  throw expected(
    `${what} of the image's size, ${image.width}×${image.height},`,
    "a picture",
    `${other.width}×${other.height}`,
  );
}
