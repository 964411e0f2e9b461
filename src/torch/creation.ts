/** Tensors out of nothing, out of JavaScript values, and out of other tensors. */
import { expected } from "../errors.ts";
import { type Device, type DType, dtypeOf, type TypedArray } from "./dtype.ts";
import { op } from "./op.ts";
import { type Operand, Tensor } from "./tensor.ts";

export interface CreateOptions {
  /** Default float32. */
  dtype?: DType;
  /** Default "cpu". */
  device?: Device;
}

type Nested = number | boolean | readonly Nested[];

/**
 * A tensor with a copy of the given numbers: a number, nested arrays, or a typed array.
 * @param options.shape for flat data; nested arrays bring their own
 */
export function tensor(data: Nested | TypedArray, options: CreateOptions & { shape?: readonly number[] } = {}): Tensor {
  const { device, shape } = options;
  const [flat, sizes, dtype] = flatten(data, options.dtype);
  // 16-bit patterns are of the dtype that was named; other arrays are converted to it.
  using shared = Tensor.share(flat, shape ?? sizes, flat instanceof Uint16Array ? dtype : undefined);
  // _to_copy and clone always copy, so nothing keeps pointing at the array.
  if (shared.dtype === dtype && (device ?? "cpu") === "cpu") return shared.clone();
  return shared.to({ dtype, device: device ?? "cpu" });
}

function flatten(data: Nested | TypedArray, dtype?: DType): [flat: TypedArray, shape: number[], dtype: DType] {
  if (ArrayBuffer.isView(data)) return [data as TypedArray, [data.length], dtype ?? dtypeOf(data as TypedArray)];
  const sizes: number[] = [];
  for (let level: Nested | undefined = data; Array.isArray(level); level = level[0]) sizes.push(level.length);
  const numbers = Array.isArray(data) ? (data.flat(Number.POSITIVE_INFINITY) as number[]) : [data as number];
  const count = sizes.reduce((a, b) => a * b, 1);
  if (numbers.length !== count) {
    throw expected(`nested arrays of one shape [${sizes}]`, "tensor(data)", `${numbers.length} numbers`);
  }
  return [Float64Array.from(numbers), sizes, dtype ?? "float32"];
}

/** A tensor over a typed array's own memory, without a copy. */
export function fromTypedArray(array: TypedArray, shape: readonly number[], dtype?: DType): Tensor {
  return Tensor.share(array, shape, dtype);
}

export function zeros(shape: readonly number[], { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.zeros(shape, dtype, undefined, device);
}

export function ones(shape: readonly number[], { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.ones(shape, dtype, undefined, device);
}

export function full(
  shape: readonly number[],
  value: number,
  { dtype = "float32", device = "cpu" }: CreateOptions = {},
): Tensor {
  return ops.full(shape, value, dtype, undefined, device);
}

export function empty(shape: readonly number[], { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.empty(shape, dtype, undefined, device);
}

/** start, start + step, … below end; int64 unless said otherwise. */
export function arange(
  start: number,
  end: number,
  { step = 1, dtype = "int64", device = "cpu" }: CreateOptions & { step?: number } = {},
): Tensor {
  return ops.arange(start, end, step, dtype, undefined, device);
}

/** Uniform in [0, 1). */
export function rand(shape: readonly number[], { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.rand(shape, dtype, undefined, device);
}

/** Standard normal. */
export function randn(shape: readonly number[], { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.randn(shape, dtype, undefined, device);
}

/** Whole numbers in [low, high). */
export function randint(
  low: number,
  high: number,
  shape: readonly number[],
  { dtype = "int64", device = "cpu" }: CreateOptions = {},
): Tensor {
  return ops.randint(low, high, shape, dtype, undefined, device);
}

/** A random order of 0..n-1. */
export function randperm(n: number, { dtype = "int64", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.randperm(n, dtype, undefined, device);
}

export function eye(n: number, { dtype = "float32", device = "cpu" }: CreateOptions = {}): Tensor {
  return ops.eye(n, dtype, undefined, device);
}

export function zerosLike(like: Tensor): Tensor {
  return ops.zerosLike(like);
}

export function onesLike(like: Tensor): Tensor {
  return ops.onesLike(like);
}

export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  return ops.cat(tensors, dim);
}

export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  return ops.stack(tensors, dim);
}

/** `a` where the condition holds, else `b`; at least one of them a tensor. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  if (a instanceof Tensor)
    return b instanceof Tensor ? ops.where(condition, a, b) : ops.whereScalarOther(condition, a, b);
  if (b instanceof Tensor) return ops.whereScalarSelf(condition, a, b);
  throw expected("at least one tensor", "where(condition, a, b)", [a, b]);
}

const ops = {
  zeros: op("aten::zeros"),
  ones: op("aten::ones"),
  full: op("aten::full"),
  empty: op("aten::empty.memory_format"),
  arange: op("aten::arange.start_step"),
  rand: op("aten::rand"),
  randn: op("aten::randn"),
  randint: op("aten::randint.low"),
  randperm: op("aten::randperm"),
  eye: op("aten::eye"),
  zerosLike: op("aten::zeros_like"),
  onesLike: op("aten::ones_like"),
  cat: op("aten::cat"),
  stack: op("aten::stack"),
  where: op("aten::where.self"),
  whereScalarSelf: op("aten::where.ScalarSelf"),
  whereScalarOther: op("aten::where.ScalarOther"),
};
