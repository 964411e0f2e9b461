/**
 * Enlarging without a shift. libvips' own resize moves a picture by half a pixel to the right and down whenever one side
 * grows, so that images, their mirror images and their masks no longer lie on each other.
 */

import sharp from "sharp";
import type { RgbImage } from "./types.ts";

/** A part of a picture, in pixels. */
export interface Region {
  left: number;
  top: number;
  width: number;
  height: number;
}

// Bicubic interpolation looks two pixels beyond the edge; the third takes up rounding.
const MARGIN = 3;

/**
 * Scales a picture up so that its corners fall on the new corners (pixel i is centred at i + ½ in both); edges are continued
 * outwards.
 * @param target the new size, neither side smaller than the picture's
 * @param target.region what to make of the new picture; default: all
 */
export async function enlarge(
  image: RgbImage,
  target: { width: number; height: number; kernel: "cubic" | "linear"; region?: Region },
): Promise<RgbImage> {
  const { left, top, width, height } = target.region ?? { left: 0, top: 0, ...target };
  const across = sourceSpan({ from: left, length: width, scale: target.width / image.width });
  const down = sourceSpan({ from: top, length: height, scale: target.height / image.height });
  const source = cut(image, { left: across.start, top: down.start, width: across.length, height: down.length });
  const { data, info } = await sharp(source.data, { raw: { width: source.width, height: source.height, channels: 3 } })
    .affine([across.scale, 0, 0, down.scale], {
      interpolator: target.kernel === "cubic" ? "bicubic" : "bilinear",
      odx: across.shift,
      ody: down.shift,
    })
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const scaled = { data, width: info.width, height: info.height };
  return cut(scaled, { left: across.offset, top: down.offset, width, height });
}

/** Which pixels along one axis are needed, and where the wanted ones begin in what is made of them. */
function sourceSpan({ from, length, scale }: { from: number; length: number; scale: number }) {
  const start = Math.floor(from / scale) - MARGIN;
  const end = Math.ceil((from + length) / scale) + MARGIN;
  // New pixel `from` lies at source position (from + ½) / scale − ½; the shift moves it to a whole place.
  const exact = from - start * scale;
  const offset = Math.ceil(exact);
  return { start, length: end - start, scale, offset, shift: offset - exact + (scale - 1) / 2 };
}

/** A window of a picture; beyond the picture its edges are repeated. */
export function cut(image: RgbImage, window: Region): RgbImage {
  const { width, height } = window;
  const data = new Uint8Array(width * height * 3);
  const before = Math.max(0, -window.left);
  const first = Math.max(0, window.left);
  const count = Math.min(image.width, window.left + width) - first;
  for (let y = 0; y < height; y++) {
    const from = (Math.min(image.height - 1, Math.max(0, window.top + y)) * image.width + first) * 3;
    const row = data.subarray(y * width * 3, (y + 1) * width * 3);
    row.set(image.data.subarray(from, from + count * 3), before * 3);
    for (let x = 0; x < before; x++) row.copyWithin(x * 3, before * 3, before * 3 + 3);
    for (let x = before + count; x < width; x++) row.copyWithin(x * 3, (x - 1) * 3, x * 3);
  }
  return { data, width, height };
}
