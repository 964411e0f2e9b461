/** Photographs to RGB pixels: decoded, turned upright, resized and cropped in one job outside the main thread. */

import { open as openFile, stat } from "node:fs/promises";
import sharp, { type Metadata, type Sharp } from "sharp";
import { CsrmError, messageOf } from "../errors.ts";
import { readError } from "../files.ts";
import { cut, enlarge, type Region } from "./enlarge.ts";
import type { RgbImage } from "./types.ts";

// One thread a picture: pictures run side by side, and the tensor library needs the rest of the machine. A cache would
// only hold what is never asked for again.
sharp.concurrency(1);
sharp.cache(false);

/** What to make of a decoded picture. Sizes are in pixels; the crop lies inside the resized picture. */
export interface ImagePlan {
  width: number;
  height: number;
  /** Resampling that averages when it shrinks; "cubic" is Catmull-Rom. Pixel i is centred at i + ½ in both pictures. */
  kernel: "cubic" | "linear";
  crop?: Region;
}

export interface DecodeOptions {
  /** Turns the picture as its EXIF orientation says, as every viewer does (default true). */
  autoOrient?: boolean;
  /** Resizes, to a plan or to one made of the original size (after turning). Default: the picture as it is. */
  plan?: ImagePlan | ((original: { width: number; height: number }) => ImagePlan);
}

/** File name endings of pictures that can be decoded, in lower case, the preferred first. */
export const IMAGE_EXTENSIONS: readonly string[] = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif"];

/**
 * Decodes a picture to height × width × 3 RGB bytes. Gray becomes three equal channels, CMYK and colour profiles are
 * converted, 16 bits are cut to 8, transparency is laid on white; of an animation the first frame counts.
 * @throws CsrmError (code "image") naming the file when it is missing, empty, cut off, damaged, no picture or a single pixel
 */
export async function decodeImage(path: string, options: DecodeOptions = {}): Promise<RgbImage> {
  const { plan, autoOrient } = options;
  try {
    const header = open(path, autoOrient).metadata();
    // A plan that does not wait for the size is begun beside the header: one turn of the event loop less.
    const pixels = typeof plan === "function" ? null : decode(open(path, autoOrient), plan);
    pixels?.catch(() => {});
    const original = uprightSize(await header, autoOrient);
    if (original.width * original.height === 1) throw new Error("it is a single pixel");
    return await (pixels ?? decode(open(path, autoOrient), typeof plan === "function" ? plan(original) : plan));
  } catch (error) {
    throw await imageError(path, error);
  }
}

/**
 * Width and height of a picture from its header, without decoding it. @throws CsrmError (code "image") as decodeImage,
 * but for damage behind the header
 */
export async function imageSize(
  path: string,
  options: { autoOrient?: boolean } = {},
): Promise<{ width: number; height: number }> {
  try {
    return uprightSize(await open(path, options.autoOrient).metadata(), options.autoOrient);
  } catch (error) {
    throw await imageError(path, error);
  }
}

async function decode(picture: Sharp, plan: ImagePlan | undefined): Promise<RgbImage> {
  if (plan) {
    const { width, height, kernel } = plan;
    // Sides that grow are left to enlarge(). Without the half-size decoding that sharp would choose by default small
    // pictures keep their detail.
    picture.resize(width, height, { fit: "fill", kernel, withoutEnlargement: true, fastShrinkOnLoad: false });
  }
  const { data, info } = await picture
    .flatten({ background: "white" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const image = { data, width: info.width, height: info.height };
  if (!plan) return image;
  if (plan.width > image.width || plan.height > image.height) return enlarge(image, { ...plan, region: plan.crop });
  return plan.crop ? cut(image, plan.crop) : image;
}

function open(path: string, autoOrient = true): Sharp {
  // "error" refuses cut-off files but not harmless oddities such as spare bytes between JPEG markers.
  return sharp(path, { failOn: "error", autoOrient });
}

function uprightSize(metadata: Metadata, autoOrient = true): { width: number; height: number } {
  const { width, height } = autoOrient ? metadata.autoOrient : metadata;
  return { width, height };
}

/** The reason as a person needs it: the decoder itself cannot tell a missing or forbidden file from an empty or a foreign one. */
async function imageError(path: string, error: unknown): Promise<CsrmError> {
  const reason = await stat(path).then(
    async (file) => {
      if (file.isDirectory()) return "it is a folder";
      if (file.size === 0) return "it is empty";
      const unreadable = await openFile(path).then(
        (handle) => handle.close().then(() => null),
        (denied: unknown) => denied,
      );
      if (unreadable !== null) return reasonOf(path, unreadable);
      const message = messageOf(error).split("\n")[0]!;
      if (/unsupported image format/.test(message)) {
        return `it is not a picture of a known format (${IMAGE_EXTENSIONS.map((ending) => ending.slice(1)).join(", ")})`;
      }
      // The decoder's threads share one buffer for messages: another job that ends just then empties it.
      if (message === "Unknown error") return "it is cut off or damaged";
      if (/premature end|unexpected end|read error|truncated/i.test(message))
        return `it is cut off or damaged (${message})`;
      return message;
    },
    (missing: unknown) => reasonOf(path, missing),
  );
  return new CsrmError(`cannot decode the image ${path}: ${reason}`, { code: "image", cause: error });
}

function reasonOf(path: string, error: unknown): string {
  return readError(path, error).message.slice(`cannot read ${path}: `.length);
}
