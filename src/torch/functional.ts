/** Layers as functions: PyTorch's torch.nn.functional with named options. Images are [B, C, H, W]. */
import { expected } from "../errors.ts";
import { bilinearByProducts } from "./bilinear.ts";
import type { DType } from "./dtype.ts";
import { op } from "./op.ts";
import type { Tensor } from "./tensor.ts";

type Pair = number | readonly [number, number];

export interface ConvOptions {
  bias?: Tensor | null;
  stride?: Pair;
  padding?: Pair;
  dilation?: Pair;
  groups?: number;
}

/** @param weight [out, in / groups, kh, kw] */
function conv2d(input: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  const { bias = null, stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  return ops.conv2d(input, weight, bias, stride, padding, dilation, groups);
}

/** @param weight [out, in] */
function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  return ops.linear(input, weight, bias);
}

export interface BatchNormOptions {
  weight: Tensor | null;
  bias: Tensor | null;
  runningMean: Tensor | null;
  runningVar: Tensor | null;
  /** Statistics of the batch (and an update of the running ones) instead of the running ones. */
  training?: boolean;
  momentum?: number;
  eps?: number;
}

function batchNorm(input: Tensor, options: BatchNormOptions): Tensor {
  const { weight, bias, runningMean, runningVar, training = false, momentum = 0.1, eps = 1e-5 } = options;
  return ops.batchNorm(input, weight, bias, runningMean, runningVar, training, momentum, eps, true);
}

function groupNorm(
  input: Tensor,
  groups: number,
  { weight = null, bias = null, eps = 1e-5 }: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return ops.groupNorm(input, groups, weight, bias, eps);
}

function layerNorm(
  input: Tensor,
  shape: readonly number[],
  { weight = null, bias = null, eps = 1e-5 }: { weight?: Tensor | null; bias?: Tensor | null; eps?: number } = {},
): Tensor {
  return ops.layerNorm(input, shape, weight, bias, eps);
}

export interface InterpolateOptions {
  /** [height, width] of the result; or `scale`. */
  size?: readonly [number, number];
  scale?: number;
  mode?: "nearest" | "bilinear" | "bicubic";
  /** Whether corner pixels keep their centres in place (true) or their edges (false, default); not for nearest. */
  alignCorners?: boolean;
}

function interpolate(
  input: Tensor,
  { size, scale, mode = "nearest", alignCorners = false }: InterpolateOptions,
): Tensor {
  if ((size === undefined) === (scale === undefined))
    throw expected("either size or scale", "interpolate()", { size, scale });
  const factors = scale === undefined ? null : [scale, scale];
  const target = size ?? null;
  if (mode === "nearest") return ops.nearest(input, target, factors);
  // Without a gradient float32 is as fast by libtorch's kernel.
  const quicker = input.requiresGrad || input.dtype === "bfloat16" || input.dtype === "float16";
  if (mode === "bilinear" && quicker && input.device.startsWith("cuda")) {
    return bilinearByProducts(input, { ...(size ? { size } : { scale: scale! }), alignCorners });
  }
  return mode === "bilinear"
    ? ops.bilinear(input, target, alignCorners, factors)
    : ops.bicubic(input, target, alignCorners, factors);
}

export interface PoolOptions {
  stride?: Pair;
  padding?: Pair;
  ceilMode?: boolean;
}

interface AveragePoolOptions extends PoolOptions {
  /** Whether padded zeros count in the mean (default true). */
  countIncludePad?: boolean;
  /** Whether the maps are padded before they are pooled (default: on GPUs). */
  padApart?: boolean;
}

/**
 * On GPUs padding is a step of its own: where libtorch pads, the gradient of channels-last maps belongs to shifted windows
 * (pytorch/pytorch#188344, mended there in July 2026). With `ceilMode`, or where zeros do not count, the maps are made contiguous instead.
 */
function avgPool2d(input: Tensor, kernel: Pair, options: AveragePoolOptions = {}): Tensor {
  const { stride = kernel, padding = 0, ceilMode = false, countIncludePad = true } = options;
  const { padApart = input.device !== "cpu" } = options;
  const [vertical, horizontal] = typeof padding === "number" ? [padding, padding] : padding;
  const pool = (maps: Tensor, padded: Pair) => ops.avgPool2d(maps, kernel, stride, padded, ceilMode, countIncludePad);
  if (!padApart || (vertical === 0 && horizontal === 0)) return pool(input, padding);
  if (ceilMode || !countIncludePad) return pool(input.contiguous(), padding);
  return pool(pad(input, [horizontal, horizontal, vertical, vertical]), 0);
}

function maxPool2d(input: Tensor, kernel: Pair, options: PoolOptions = {}): Tensor {
  const { stride = kernel, padding = 0, ceilMode = false } = options;
  return ops.maxPool2d(input, kernel, stride, padding, 1, ceilMode);
}

function adaptiveAvgPool2d(input: Tensor, size: readonly [number, number]): Tensor {
  return ops.adaptiveAvgPool2d(input, size);
}

/** Zeroes values with probability p and scales the rest by 1/(1 − p), where `training`. On the CPU by our own kernel, which is faster. */
function dropout(input: Tensor, p: number, training: boolean): Tensor {
  if (training && input.device === "cpu" && input.dtype !== "float16") return ops.ownDropout(input, p);
  return ops.dropout(input, p, training);
}

function relu(input: Tensor, { inplace = false } = {}): Tensor {
  return inplace ? ops.relu_(input) : ops.relu(input);
}

/** min(max(x, 0), 6), by our own kernel: libtorch 1.13 has no bfloat16 gradient of it. */
function relu6(input: Tensor): Tensor {
  return ops.relu6(input);
}

function gelu(input: Tensor): Tensor {
  return ops.gelu(input);
}

function logSigmoid(input: Tensor): Tensor {
  return ops.logSigmoid(input);
}

/** @param sides left, right, top, bottom */
function pad(
  input: Tensor,
  sides: readonly number[],
  { mode = "constant", value = 0 }: { mode?: "constant" | "reflect" | "replicate"; value?: number } = {},
): Tensor {
  if (mode === "constant") return ops.constantPad(input, sides, value);
  return mode === "reflect" ? ops.reflectionPad(input, sides) : ops.replicationPad(input, sides);
}

const reductions = { none: 0, mean: 1, sum: 2 } as const;

export interface CrossEntropyOptions {
  ignoreIndex?: number;
  labelSmoothing?: number;
  /** Default "mean", over the targets that are not ignored (NaN if there are none). */
  reduction?: keyof typeof reductions;
  weight?: Tensor | null;
}

/**
 * @param logits [B, C, ...]
 * @param target [B, ...] int64 class indices
 */
function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { ignoreIndex = -100, labelSmoothing = 0, reduction = "mean", weight = null } = options;
  return ops.crossEntropy(logits, target, weight, reductions[reduction], ignoreIndex, labelSmoothing);
}

function cosineSimilarity(a: Tensor, b: Tensor, dim = 1, eps = 1e-8): Tensor {
  return ops.cosineSimilarity(a, b, dim, eps);
}

/** @param indices int64; the result has one more dimension of size `classes`, int64 */
function oneHot(indices: Tensor, classes: number): Tensor {
  return ops.oneHot(indices, classes);
}

/** softmax in a given precision, whatever autocast says. */
function softmax(input: Tensor, dim: number, dtype?: DType): Tensor {
  return input.softmax(dim, dtype);
}

export const F = {
  conv2d,
  linear,
  batchNorm,
  groupNorm,
  layerNorm,
  interpolate,
  avgPool2d,
  maxPool2d,
  adaptiveAvgPool2d,
  dropout,
  relu,
  relu6,
  gelu,
  logSigmoid,
  pad,
  crossEntropy,
  cosineSimilarity,
  oneHot,
  softmax,
};

const ops = {
  conv2d: op("aten::conv2d"),
  linear: op("aten::linear"),
  batchNorm: op("aten::batch_norm"),
  groupNorm: op("aten::group_norm"),
  layerNorm: op("aten::layer_norm"),
  nearest: op("aten::upsample_nearest2d.vec"),
  bilinear: op("aten::upsample_bilinear2d.vec"),
  bicubic: op("aten::upsample_bicubic2d.vec"),
  avgPool2d: op("aten::avg_pool2d"),
  maxPool2d: op("aten::max_pool2d"),
  adaptiveAvgPool2d: op("aten::adaptive_avg_pool2d"),
  dropout: op("aten::dropout"),
  ownDropout: op("csrm::dropout"),
  relu: op("aten::relu"),
  relu_: op("aten::relu_"),
  relu6: op("csrm::relu6"),
  gelu: op("aten::gelu"),
  logSigmoid: op("aten::log_sigmoid"),
  constantPad: op("aten::constant_pad_nd"),
  reflectionPad: op("aten::reflection_pad2d"),
  replicationPad: op("aten::replication_pad2d"),
  crossEntropy: op("aten::cross_entropy_loss"),
  cosineSimilarity: op("aten::cosine_similarity"),
  oneHot: op("aten::one_hot"),
};
