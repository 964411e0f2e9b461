/** A picture's colours smoothed by a Gaussian, not rounded; edges mirrored, as SciPy's `gaussian_filter` has it. */
import type { RgbImage } from "../../data/types.ts";

/** Where the kernel ends, in standard deviations. */
const REACH = 4;

/**
 * @param sigma standard deviation in pixels; 0 leaves the colours as they are
 * @returns height × width × 3 values of 0…255
 */
export function smoothed(image: RgbImage, sigma: number): Float64Array {
  const { width, height } = image;
  const colours = Float64Array.from(image.data);
  if (!(sigma > 0)) return colours;
  const kernel = gaussian(sigma);
  const line = new Float64Array(Math.max(width, height));
  for (let c = 0; c < 3; c++) {
    for (let x = 0; x < width; x++)
      smoothLine(colours, { start: x * 3 + c, step: width * 3, length: height }, kernel, line);
    for (let y = 0; y < height; y++)
      smoothLine(colours, { start: y * width * 3 + c, step: 3, length: width }, kernel, line);
  }
  return colours;
}

/** Weights of the pixels 0, 1, … to either side; all together, both sides counted, they are 1. */
function gaussian(sigma: number): Float64Array {
  const half = Float64Array.from({ length: Math.floor(REACH * sigma + 0.5) + 1 }, (_, i) =>
    Math.exp(-(i * i) / (2 * sigma * sigma)),
  );
  const sum = half.reduce((total, weight) => total + 2 * weight, -half[0]!);
  return half.map((weight) => weight / sum);
}

function smoothLine(
  values: Float64Array,
  { start, step, length }: { start: number; step: number; length: number },
  kernel: Float64Array,
  line: Float64Array,
): void {
  for (let i = 0; i < length; i++) line[i] = values[start + i * step]!;
  for (let i = 0; i < length; i++) {
    let sum = kernel[0]! * line[i]!;
    for (let k = 1; k < kernel.length; k++)
      sum += kernel[k]! * (line[mirrored(i - k, length)]! + line[mirrored(i + k, length)]!);
    values[start + i * step] = sum;
  }
}

/** Beyond the first and last pixel the line comes back: 2 1 0 | 0 1 2 … */
export function mirrored(position: number, length: number): number {
  const turn = 2 * length;
  const inside = ((position % turn) + turn) % turn;
  return inside < length ? inside : turn - 1 - inside;
}
