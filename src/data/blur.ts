/** Gaussian blur of a training picture as Pillow does it: three box blurs a direction, in fixed point, edges repeated. */

const ONE = 2 ** 24;
const PASSES = 3;

/** Width of a box, whole pixels to either side and a fraction of one more, whose threefold use has the Gaussian's variance. */
function boxRadius(sigma: number): number {
  const variance = (sigma * sigma) / PASSES;
  const whole = Math.floor((Math.sqrt(12 * variance + 1) - 1) / 2);
  const part = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)));
  return whole + part;
}

/**
 * Blurs in place. @param pixels RGB bytes of one picture
 * @param sigma standard deviation in pixels, ≥ 0; 0 leaves the picture as it is
 */
export function gaussianBlur(
  pixels: Uint8Array,
  { width, height, sigma }: { width: number; height: number; sigma: number },
) {
  if (!(sigma > 0)) return;
  const box = boxFor(boxRadius(sigma));
  const line = new Uint8Array(Math.max(width, height));
  const out = new Uint8Array(line.length);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < height; y++)
      blurLine(pixels, { start: y * width * 3 + c, step: 3, length: width }, box, line, out);
    for (let x = 0; x < width; x++) {
      blurLine(pixels, { start: x * 3 + c, step: width * 3, length: height }, box, line, out);
    }
  }
}

interface Box {
  /** Whole pixels to either side. */
  reach: number;
  /** Weight of each of the 2·reach + 1 pixels, and of the two beyond; in 2^-24. */
  inner: number;
  outer: number;
}

function boxFor(radius: number): Box {
  const exact = Math.fround(radius);
  const reach = Math.trunc(exact);
  const inner = Math.trunc(Math.fround(ONE / Math.fround(exact * 2 + 1)));
  return { reach, inner, outer: Math.trunc((ONE - (reach * 2 + 1) * inner) / 2) };
}

/** All passes over one line of the picture, rounded to bytes after each. */
function blurLine(
  pixels: Uint8Array,
  place: { start: number; step: number; length: number },
  box: Box,
  ...buffers: [Uint8Array, Uint8Array]
): void {
  const { start, step, length } = place;
  let [from, to] = buffers;
  for (let i = 0; i < length; i++) from[i] = pixels[start + i * step]!;
  for (let pass = 0; pass < PASSES; pass++) {
    boxLine(from, to, length, box);
    [from, to] = [to, from];
  }
  for (let i = 0; i < length; i++) pixels[start + i * step] = from[i]!;
}

function boxLine(from: Uint8Array, to: Uint8Array, length: number, { reach, inner, outer }: Box): void {
  const last = length - 1;
  let sum = from[0]! * reach;
  for (let i = 0; i <= reach; i++) sum += from[Math.min(i, last)]!; // pixels −reach … reach, the edge repeated
  for (let i = 0; i < length; i++) {
    const before = from[i > reach ? i - reach - 1 : 0]!;
    const after = from[i < last - reach ? i + reach + 1 : last]!;
    // Up to 255·2^24 + 2^23: exact in a double, too much for 32-bit integers until it is divided.
    to[i] = ((sum * inner + (before + after) * outer + ONE / 2) / ONE) | 0;
    sum += after - from[i > reach ? i - reach : 0]!;
  }
}
