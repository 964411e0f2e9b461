/** The deterministic fill of the golden files: every value of a tensor follows from its name and its position. */
import { crc32 } from "node:zlib";
import { fromTypedArray, noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import type { Module } from "../../src/torch/nn/index.ts";

const SPECIAL = /(^|\.)(iou_token|mask_tokens|point_embeddings\.\d+|not_a_point_embed|no_mask_embed)\.weight$/;

/** The values u of a name, 0 ≤ u < 1, mapped to u·scale + shift in float64 and rounded once to float32. */
export function fillArray(name: string, count: number, scale = 1, shift = 0): Float32Array {
  const seed = crc32(Buffer.from(name, "utf8"));
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 2654435761) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    values[i] = ((x ^ (x >>> 16)) >>> 0) * (scale / 4294967296) + shift;
  }
  return values;
}

/** The values of a state-dict key; its last component and the shape decide the range. */
export function fillKey(name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const gain = /(bn3|increase\.bn)\.weight$/.test(name) ? 0.5 : 1;
  if (name.endsWith("running_mean")) return fillArray(name, count, 0.2, -0.1);
  if (name.endsWith("running_var")) return fillArray(name, count, 1, 0.5);
  if (/(^|\.)bias$/.test(name)) return fillArray(name, count, 0.2, -0.1);
  if (SPECIAL.test(name)) return fillArray(name, count, 1, -0.5);
  if (/(^|\.)weight$/.test(name)) {
    if (shape.length === 1) return fillArray(name, count, gain, 0.5 * gain);
    const bound = Math.sqrt(3 / shape.slice(1).reduce((product, size) => product * size, 1)) * gain;
    return fillArray(name, count, 2 * bound, -bound);
  }
  return fillArray(name, count, 1, -0.5);
}

/** Fills every parameter and buffer of a module by its name. */
export function fillModule(module: Module, prefix = ""): void {
  noGrad(() => {
    for (const [key, tensor] of module.stateDict()) {
      if (key.endsWith("num_batches_tracked")) tensor.zero_();
      else scope(() => void tensor.copy_(fromTypedArray(fillKey(prefix + key, tensor.shape), tensor.shape)));
    }
  });
}

/** An input tensor, values in −2..2. */
export function fillInput(name: string, shape: readonly number[]): Tensor {
  return fillTensor(name, shape, 4, -2);
}

/** An upstream gradient, values in −1..1. */
export function fillGradient(name: string, shape: readonly number[]): Tensor {
  return fillTensor(name, shape, 2, -1);
}

function fillTensor(name: string, shape: readonly number[], scale: number, shift: number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return fromTypedArray(fillArray(name, count, scale, shift), [...shape]);
}
