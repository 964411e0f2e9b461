/**
 * Run-length encoded masks as COCO has them: run lengths down the columns, of 0 first, and their compressed text.
 * The encoding is that of COCO's mask API (cocoapi, maskApi): a count, from the third on as the difference to the count
 * two before it, in groups of five bits from the lowest, 32 where more follow, as characters from "0" (48) on.
 */

import { CsrmError } from "../errors.ts";

/** A mask as it stands in COCO's files. */
export interface CocoRle {
  /** Height and width in pixels. */
  size: [height: number, width: number];
  /** Compressed run lengths. */
  counts: string;
}

/** A part of a mask in pixels. */
export interface PixelBox {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A mask of more pixels than this is a forgery: its decoding would take all memory. */
const MAX_PIXELS = 2 ** 28;

/**
 * Run lengths of the pixels that have a value, down the columns from the left, beginning with those that do not (0 where
 * the first pixel has it).
 * @param map height × width values, row by row
 * @param options.value which pixels count (default 1)
 * @param options.box pixels outside of it are taken not to have the value, without a look (default: all are looked at)
 */
export function encodeRle(
  map: { data: ArrayLike<number>; width: number; height: number },
  options: { value?: number; box?: PixelBox } = {},
): number[] {
  const { data, width, height } = map;
  const { value = 1, box = { x: 0, y: 0, width, height } } = options;
  const counts: number[] = [];
  // Places are counted down the columns; `from` is where the run that is going on began.
  let from = 0;
  let inside = false;
  const turn = (place: number) => {
    counts.push(place - from);
    from = place;
    inside = !inside;
  };
  for (let x = box.x; x < box.x + box.width; x++) {
    for (let y = box.y; y < box.y + box.height; y++) {
      if ((data[y * width + x] === value) !== inside) turn(x * height + y);
    }
    // Below the box, and above it in the next column, lie pixels that do not count.
    if (inside && box.height < height) turn(x * height + box.y + box.height);
  }
  // A run down to the last corner of a box as high as the map goes no further.
  if (inside && box.x + box.width < width) turn((box.x + box.width) * height);
  // A run that ends with a box in the last corner is the last.
  if (from < width * height) counts.push(width * height - from);
  return counts;
}

/** Run lengths as COCO's compressed text. */
export function rleToString(counts: readonly number[]): string {
  const codes: number[] = [];
  for (const [i, count] of counts.entries()) {
    let rest = i > 2 ? count - counts[i - 2]! : count;
    for (let more = true; more; ) {
      const bits = rest & 31;
      rest >>= 5;
      // Done once nothing but copies of the sign, the highest of the five bits, is left.
      more = (bits & 16) !== 0 ? rest !== -1 : rest !== 0;
      codes.push(48 + bits + (more ? 32 : 0));
    }
  }
  return Buffer.from(codes).toString("latin1");
}

/**
 * Run lengths of COCO's compressed text.
 * @param name what the mask is of, for messages
 * @throws CsrmError (code "data") for characters that cannot occur, a text that is cut off, and numbers out of range
 */
export function rleFromString(text: string, name: string): number[] {
  const counts: number[] = [];
  for (let at = 0; at < text.length; ) {
    let value = 0;
    for (let shift = 0; ; shift += 5) {
      if (at >= text.length) throw damaged(name, "its text is cut off");
      const code = text.charCodeAt(at++) - 48;
      if (!(code >= 0 && code < 64)) throw damaged(name, `its text holds ${JSON.stringify(text[at - 1])}`);
      // Seven groups hold more than 32 bits; a valid count has fewer.
      if (shift > 30) throw damaged(name, "a count is too large");
      value += (code & 31) * 2 ** shift;
      if ((code & 32) !== 0) continue;
      if ((code & 16) !== 0) value -= 2 ** (shift + 5);
      break;
    }
    if (counts.length > 2) value += counts[counts.length - 2]!;
    if (value < 0 || value > MAX_PIXELS) throw damaged(name, `run ${counts.length + 1} has the length ${value}`);
    counts.push(value);
  }
  return counts;
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a run-length encoded mask: ${why}`, { code: "data" });
}
