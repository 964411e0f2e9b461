/** Sizes of images as the public inference code has them, rounded half to even. */
import { expected } from "../errors.ts";

/** [height, width] in pixels. */
export type Size = readonly [height: number, width: number];

/** Stride of the activation maps that are kept in files. */
export const KEPT_STRIDE = 4;

/** Nearest whole number; of two equally near ones the even one, as Python's round() has it. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** An image's size at a scale, at least 1 × 1. */
export function scaledSize([height, width]: Size, scale: number): Size {
  if (!(scale > 0 && Number.isFinite(scale))) throw expected("a positive number", "a scale", scale);
  return [Math.max(1, roundHalfEven(height * scale)), Math.max(1, roundHalfEven(width * scale))];
}

/** ⌈side / stride⌉ of both sides. */
export function stridedSize([height, width]: Size, stride: number): Size {
  return [Math.ceil(height / stride), Math.ceil(width / stride)];
}

/**
 * What the network sees of an image at scale 1: all of it, a fixed [height, width], or a longer side of at most so many
 * pixels.
 */
export type InputSize = "original" | Size | { longest: number };

/** Size of the network's input at scale 1. A fixed size does not keep the aspect ratio; `longest` only ever shrinks. */
export function inputSize(image: Size, input: InputSize): Size {
  if (input === "original") return image;
  if ("longest" in input) return scaledSize(image, Math.min(1, input.longest / Math.max(...image)));
  return input;
}

/**
 * The pixels of the image that the cells of the network's last map stand for: where the input's sides are no multiples
 * of the stride they reach beyond the image at the bottom and right.
 * @param input size of the network's input at scale 1
 * @param stride output stride of the network
 */
export function coveredSize(image: Size, input: Size, stride: number): Size {
  const [rows, columns] = stridedSize(input, stride);
  return [Math.round((image[0] * rows * stride) / input[0]), Math.round((image[1] * columns * stride) / input[1])];
}
