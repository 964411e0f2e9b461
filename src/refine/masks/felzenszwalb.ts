/**
 * Felzenszwalb and Huttenlocher's graph segmentation (Efficient graph-based image segmentation, IJCV 2004): neighbouring regions
 * join while the edge between them is no steeper than what each holds inside. As scikit-image's `felzenszwalb`: eight neighbours,
 * Euclidean distance of smoothed colours.
 */
import type { RgbImage } from "../../data/types.ts";
import { smoothed } from "./smooth.ts";

export interface SegmentOptions {
  /** Tolerance in colour levels times pixels: larger gives larger segments. */
  scale: number;
  /** Segments with fewer pixels join a neighbour. */
  minSize: number;
}

/** The picture's edges, lightest first: what segmentations of one picture share. */
export interface ColourGraph {
  width: number;
  height: number;
  from: Uint32Array;
  to: Uint32Array;
  /** Distance of the colours in levels of 0…255. */
  costs: Float32Array;
}

/** @param sigma standard deviation of the smoothing in pixels, ≥ 0 */
export function colourGraph(image: RgbImage, sigma: number): ColourGraph {
  const { width, height } = image;
  const colours = smoothed(image, sigma);
  const count = 4 * width * height - 3 * (width + height) + 2; // →, ↓, ↘ and ↙ within the picture
  const from = new Uint32Array(count);
  const to = new Uint32Array(count);
  const costs = new Float32Array(count);
  let edge = 0;
  const connect = (a: number, b: number) => {
    const r = colours[a * 3]! - colours[b * 3]!;
    const g = colours[a * 3 + 1]! - colours[b * 3 + 1]!;
    const blue = colours[a * 3 + 2]! - colours[b * 3 + 2]!;
    from[edge] = a;
    to[edge] = b;
    costs[edge++] = Math.sqrt(r * r + g * g + blue * blue);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (x + 1 < width) connect(at, at + 1);
      if (y + 1 === height) continue;
      connect(at, at + width);
      if (x + 1 < width) connect(at, at + width + 1);
      if (x > 0) connect(at, at + width - 1);
    }
  }
  const order = ascending(costs);
  return { width, height, from: take(from, order), to: take(to, order), costs: take(costs, order) };
}

/** Segment of every pixel, row by row, numbered from 0 in the order of their first pixels. */
export function segmentGraph(graph: ColourGraph, { scale, minSize }: SegmentOptions): Uint32Array {
  const { width, height, from, to, costs } = graph;
  const pixels = width * height;
  const parent = Uint32Array.from({ length: pixels }, (_, i) => i);
  const size = new Uint32Array(pixels).fill(1);
  /** The steepest edge inside of each segment. */
  const inside = new Float64Array(pixels);
  const rootOf = (pixel: number) => {
    let root = pixel;
    while (parent[root] !== root) root = parent[root] = parent[parent[root]!]!;
    return root;
  };
  const join = (a: number, b: number, cost: number) => {
    const [large, small] = size[a]! >= size[b]! ? [a, b] : [b, a];
    parent[small] = large;
    size[large]! += size[small]!;
    inside[large] = cost; // edges come lightest first
  };
  for (let edge = 0; edge < costs.length; edge++) {
    const [a, b] = [rootOf(from[edge]!), rootOf(to[edge]!)];
    if (a === b) continue;
    const cost = costs[edge]!;
    if (cost < Math.min(inside[a]! + scale / size[a]!, inside[b]! + scale / size[b]!)) join(a, b, cost);
  }
  for (let edge = 0; edge < costs.length; edge++) {
    const [a, b] = [rootOf(from[edge]!), rootOf(to[edge]!)];
    if (a !== b && Math.min(size[a]!, size[b]!) < minSize) join(a, b, costs[edge]!);
  }
  const numbers = new Int32Array(pixels).fill(-1);
  let segments = 0;
  return parent.map((_, pixel) => {
    const root = rootOf(pixel);
    if (numbers[root] === -1) numbers[root] = segments++;
    return numbers[root]!;
  });
}

/** Positions of non-negative numbers in ascending order, equal ones as they come: a radix sort of their bits. */
function ascending(values: Float32Array): Uint32Array {
  // Bits of non-negative floats, read as whole numbers, are in the floats' order.
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let order = Uint32Array.from(bits, (_, i) => i);
  let next = new Uint32Array(order.length);
  for (const shift of [0, 11, 22]) {
    const starts = new Uint32Array(2049);
    for (const value of bits) starts[((value >>> shift) & 2047) + 1]!++;
    for (let digit = 1; digit < 2049; digit++) starts[digit]! += starts[digit - 1]!;
    for (const i of order) next[starts[(bits[i]! >>> shift) & 2047]!++] = i;
    [order, next] = [next, order];
  }
  return order;
}

function take<Values extends Uint32Array | Float32Array>(values: Values, order: Uint32Array): Values {
  return values.map((_, i) => values[order[i]!]!) as Values;
}
