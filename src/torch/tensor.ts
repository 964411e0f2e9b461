/**
 * The tensor with its fluent surface: PyTorch's operators in camelCase, same meaning, same order of arguments. Operators that are
 * not here are one `op("aten::…")` away.
 */
import { type Device, type DType, dtypeOf, type MemoryFormat, type TypedArray } from "./dtype.ts";
import { type Handle, native } from "./native.ts";
import { op } from "./op.ts";
import { TensorCore } from "./tensor-core.ts";

/** A tensor or a number that is spread over one. */
export type Operand = Tensor | number;

/** One dimension or several. */
export type Dims = number | readonly number[];

export interface ToOptions {
  dtype?: DType;
  device?: Device;
  memoryFormat?: MemoryFormat;
}

export class Tensor extends TensorCore {
  /** For the operators' door: a tensor around a handle that the addon just made. */
  static wrap(handle: Handle): Tensor {
    return new Tensor(handle);
  }

  /** A tensor over the same memory as a typed array, without a copy; the array stays alive as long as the tensor. */
  static share(array: TypedArray, shape: readonly number[], dtype: DType = dtypeOf(array)): Tensor {
    return new Tensor(native.fromTypedArray(array, dtype, shape));
  }

  // Arithmetic, elementwise with broadcasting
  add(other: Operand, alpha = 1): Tensor {
    return other instanceof Tensor ? ops.add(this, other, alpha) : ops.addScalar(this, other, alpha);
  }
  sub(other: Operand, alpha = 1): Tensor {
    return other instanceof Tensor ? ops.sub(this, other, alpha) : ops.subScalar(this, other, alpha);
  }
  mul(other: Operand): Tensor {
    return other instanceof Tensor ? ops.mul(this, other) : ops.mulScalar(this, other);
  }
  div(other: Operand): Tensor {
    return other instanceof Tensor ? ops.div(this, other) : ops.divScalar(this, other);
  }
  /** The remainder with the divisor's sign, as Python's %. */
  remainder(other: Operand): Tensor {
    return other instanceof Tensor ? ops.remainder(this, other) : ops.remainderScalar(this, other);
  }
  pow(exponent: Operand): Tensor {
    return exponent instanceof Tensor ? ops.pow(this, exponent) : ops.powScalar(this, exponent);
  }
  maximum(other: Tensor): Tensor {
    return ops.maximum(this, other);
  }
  minimum(other: Tensor): Tensor {
    return ops.minimum(this, other);
  }
  neg(): Tensor {
    return ops.neg(this);
  }
  abs(): Tensor {
    return ops.abs(this);
  }
  exp(): Tensor {
    return ops.exp(this);
  }
  log(): Tensor {
    return ops.log(this);
  }
  sqrt(): Tensor {
    return ops.sqrt(this);
  }
  floor(): Tensor {
    return ops.floor(this);
  }
  round(): Tensor {
    return ops.round(this);
  }
  relu(): Tensor {
    return ops.relu(this);
  }
  sigmoid(): Tensor {
    return ops.sigmoid(this);
  }
  clamp(min?: number | null, max?: number | null): Tensor {
    return ops.clamp(this, min, max);
  }
  softmax(dim: number, dtype?: DType): Tensor {
    return ops.softmax(this, dim, dtype);
  }
  logSoftmax(dim: number, dtype?: DType): Tensor {
    return ops.logSoftmax(this, dim, dtype);
  }
  matmul(other: Tensor): Tensor {
    return ops.matmul(this, other);
  }

  // Comparison and logic, giving booleans
  eq(other: Operand): Tensor {
    return other instanceof Tensor ? ops.eq(this, other) : ops.eqScalar(this, other);
  }
  ne(other: Operand): Tensor {
    return other instanceof Tensor ? ops.ne(this, other) : ops.neScalar(this, other);
  }
  lt(other: Operand): Tensor {
    return other instanceof Tensor ? ops.lt(this, other) : ops.ltScalar(this, other);
  }
  le(other: Operand): Tensor {
    return other instanceof Tensor ? ops.le(this, other) : ops.leScalar(this, other);
  }
  gt(other: Operand): Tensor {
    return other instanceof Tensor ? ops.gt(this, other) : ops.gtScalar(this, other);
  }
  ge(other: Operand): Tensor {
    return other instanceof Tensor ? ops.ge(this, other) : ops.geScalar(this, other);
  }
  logicalAnd(other: Tensor): Tensor {
    return ops.logicalAnd(this, other);
  }
  logicalOr(other: Tensor): Tensor {
    return ops.logicalOr(this, other);
  }
  logicalNot(): Tensor {
    return ops.logicalNot(this);
  }
  isnan(): Tensor {
    return ops.isnan(this);
  }
  isfinite(): Tensor {
    return ops.isfinite(this);
  }
  any(): Tensor {
    return ops.any(this);
  }
  all(): Tensor {
    return ops.all(this);
  }

  // Reductions; without dim over everything
  sum(dim?: Dims | null, keepdim = false): Tensor {
    return dim === undefined || dim === null ? ops.sum(this) : ops.sumDim(this, dims(dim), keepdim);
  }
  mean(dim?: Dims | null, keepdim = false): Tensor {
    return dim === undefined || dim === null ? ops.mean(this) : ops.meanDim(this, dims(dim), keepdim);
  }
  max(): Tensor {
    return ops.max(this);
  }
  min(): Tensor {
    return ops.min(this);
  }
  amax(dim: Dims, keepdim = false): Tensor {
    return ops.amax(this, dims(dim), keepdim);
  }
  amin(dim: Dims, keepdim = false): Tensor {
    return ops.amin(this, dims(dim), keepdim);
  }
  argmax(dim?: number | null, keepdim = false): Tensor {
    return ops.argmax(this, dim, keepdim);
  }
  argmin(dim?: number | null, keepdim = false): Tensor {
    return ops.argmin(this, dim, keepdim);
  }
  /** Largest values and where they stand. */
  maxAlong(dim: number, keepdim = false): [values: Tensor, indices: Tensor] {
    return ops.maxDim(this, dim, keepdim);
  }
  /** The Euclidean norm of all elements. */
  norm(): Tensor {
    return ops.norm(this);
  }
  cumsum(dim: number): Tensor {
    return ops.cumsum(this, dim);
  }
  sort(dim = -1, descending = false): [values: Tensor, indices: Tensor] {
    return ops.sort(this, dim, descending);
  }
  topk(k: number, dim = -1, largest = true): [values: Tensor, indices: Tensor] {
    return ops.topk(this, k, dim, largest);
  }
  /** @param q in 0..1; linear interpolation between neighbours */
  quantile(q: number): Tensor {
    return ops.quantile(this, q);
  }

  // Shape
  reshape(shape: readonly number[]): Tensor {
    return ops.reshape(this, shape);
  }
  view(shape: readonly number[]): Tensor {
    return ops.view(this, shape);
  }
  permute(order: readonly number[]): Tensor {
    return ops.permute(this, order);
  }
  transpose(a: number, b: number): Tensor {
    return ops.transpose(this, a, b);
  }
  unsqueeze(dim: number): Tensor {
    return ops.unsqueeze(this, dim);
  }
  squeeze(dim?: number): Tensor {
    return dim === undefined ? ops.squeeze(this) : ops.squeezeDim(this, dim);
  }
  flatten(start = 0, end = -1): Tensor {
    return ops.flatten(this, start, end);
  }
  expand(shape: readonly number[]): Tensor {
    return ops.expand(this, shape);
  }
  repeat(times: readonly number[]): Tensor {
    return ops.repeat(this, times);
  }
  flip(over: Dims): Tensor {
    return ops.flip(this, dims(over));
  }
  contiguous(memoryFormat?: MemoryFormat): Tensor {
    return ops.contiguous(this, memoryFormat);
  }
  split(size: number, dim = 0): Tensor[] {
    return ops.split(this, size, dim);
  }

  // Picking and placing
  select(dim: number, index: number): Tensor {
    return ops.select(this, dim, index);
  }
  narrow(dim: number, start: number, length: number): Tensor {
    return ops.narrow(this, dim, start, length);
  }
  slice(dim: number, start?: number | null, end?: number | null, step = 1): Tensor {
    return ops.slice(this, dim, start, end, step);
  }
  indexSelect(dim: number, index: Tensor): Tensor {
    return ops.indexSelect(this, dim, index);
  }
  /** Advanced indexing: one tensor of indices or null (everything) for each leading dimension. */
  index(indices: readonly (Tensor | null)[]): Tensor {
    return ops.index(this, indices);
  }
  indexPut(indices: readonly (Tensor | null)[], values: Tensor, accumulate = false): Tensor {
    return ops.indexPut(this, indices, values, accumulate);
  }
  gather(dim: number, index: Tensor): Tensor {
    return ops.gather(this, dim, index);
  }
  scatter(dim: number, index: Tensor, source: Operand): Tensor {
    return source instanceof Tensor
      ? ops.scatter(this, dim, index, source)
      : ops.scatterValue(this, dim, index, source);
  }
  maskedSelect(mask: Tensor): Tensor {
    return ops.maskedSelect(this, mask);
  }
  maskedFill(mask: Tensor, value: number): Tensor {
    return ops.maskedFill(this, mask, value);
  }
  /** Indices of the elements that are not zero, [n, ndim]. */
  nonzero(): Tensor {
    return ops.nonzero(this);
  }

  // Type, device, copies
  to(target: DType | ToOptions): Tensor {
    const { dtype, device, memoryFormat } = typeof target === "string" ? { dtype: target } : (target as ToOptions);
    if ((!dtype || dtype === this.dtype) && (!device || device === this.device)) {
      return memoryFormat && memoryFormat !== "preserve" ? ops.contiguous(this, memoryFormat) : ops.alias(this);
    }
    return ops.toCopy(this, dtype, undefined, device, undefined, false, memoryFormat);
  }
  float(): Tensor {
    return this.to("float32");
  }
  double(): Tensor {
    return this.to("float64");
  }
  long(): Tensor {
    return this.to("int64");
  }
  byte(): Tensor {
    return this.to("uint8");
  }
  bool(): Tensor {
    return this.to("bool");
  }
  clone(memoryFormat?: MemoryFormat): Tensor {
    return ops.clone(this, memoryFormat);
  }
  detach(): Tensor {
    return ops.detach(this);
  }

  // In place; each returns this tensor
  add_(other: Operand, alpha = 1): this {
    if (other instanceof Tensor) ops.add_(this, other, alpha);
    else ops.addScalar_(this, other, alpha);
    return this;
  }
  sub_(other: Operand, alpha = 1): this {
    return this.add_(other, -alpha);
  }
  mul_(other: Operand): this {
    if (other instanceof Tensor) ops.mul_(this, other);
    else ops.mulScalar_(this, other);
    return this;
  }
  div_(other: Operand): this {
    if (other instanceof Tensor) ops.div_(this, other);
    else ops.divScalar_(this, other);
    return this;
  }
  copy_(source: Tensor): this {
    ops.copy_(this, source);
    return this;
  }
  /** Makes this tensor stand for another's memory, keeping its identity for autograd and optimisers. */
  setData_(source: Tensor): this {
    ops.setData_(this, source);
    this.forgetProperties();
    return this;
  }
  zero_(): this {
    ops.zero_(this);
    return this;
  }
  fill_(value: number): this {
    ops.fill_(this, value);
    return this;
  }
  clamp_(min?: number | null, max?: number | null): this {
    ops.clamp_(this, min, max);
    return this;
  }
  maskedFill_(mask: Tensor, value: number): this {
    ops.maskedFill_(this, mask, value);
    return this;
  }
  indexCopy_(dim: number, index: Tensor, source: Tensor): this {
    ops.indexCopy_(this, dim, index, source);
    return this;
  }
  /** Gaussian noise from the library's generator. */
  normal_(mean = 0, std = 1): this {
    ops.normal_(this, mean, std);
    return this;
  }
  uniform_(from = 0, to = 1): this {
    ops.uniform_(this, from, to);
    return this;
  }

  // Gradients
  requiresGrad_(value = true): this {
    native.setRequiresGrad(this.handle, value);
    return this;
  }
  get grad(): Tensor | null {
    const handle = native.gradOf(this.handle);
    return handle === 0 ? null : Tensor.wrap(handle);
  }
  set grad(value: Tensor | null) {
    native.setGrad(this.handle, value ? value.handle : 0);
  }
  /** Adds d(this)/d(leaf) to the grad of every leaf; `gradient` is needed unless this is a single number. */
  backward(gradient?: Tensor): void {
    native.backward([this.handle], [gradient ? gradient.handle : 0], false, false);
  }

  /** The values as numbers, row-major; 64-bit integers must fit 53 bits to be exact. */
  toArray(): number[] {
    const exact = this.dtype === "bfloat16" || this.dtype === "float16" ? this.float() : this;
    const values = Array.from(exact.toTypedArray() as ArrayLike<number | bigint>, Number);
    if (exact !== this) exact.dispose();
    return values;
  }
}

function dims(dim: Dims): readonly number[] {
  return typeof dim === "number" ? [dim] : dim;
}

const ops = {
  add: op("aten::add.Tensor"),
  addScalar: op("aten::add.Scalar"),
  sub: op("aten::sub.Tensor"),
  subScalar: op("aten::sub.Scalar"),
  mul: op("aten::mul.Tensor"),
  mulScalar: op("aten::mul.Scalar"),
  div: op("aten::div.Tensor"),
  divScalar: op("aten::div.Scalar"),
  remainder: op("aten::remainder.Tensor"),
  remainderScalar: op("aten::remainder.Scalar"),
  pow: op("aten::pow.Tensor_Tensor"),
  powScalar: op("aten::pow.Tensor_Scalar"),
  maximum: op("aten::maximum"),
  minimum: op("aten::minimum"),
  neg: op("aten::neg"),
  abs: op("aten::abs"),
  exp: op("aten::exp"),
  log: op("aten::log"),
  sqrt: op("aten::sqrt"),
  floor: op("aten::floor"),
  round: op("aten::round"),
  relu: op("aten::relu"),
  sigmoid: op("aten::sigmoid"),
  clamp: op("aten::clamp"),
  softmax: op("aten::softmax.int"),
  logSoftmax: op("aten::log_softmax.int"),
  matmul: op("aten::matmul"),
  eq: op("aten::eq.Tensor"),
  eqScalar: op("aten::eq.Scalar"),
  ne: op("aten::ne.Tensor"),
  neScalar: op("aten::ne.Scalar"),
  lt: op("aten::lt.Tensor"),
  ltScalar: op("aten::lt.Scalar"),
  le: op("aten::le.Tensor"),
  leScalar: op("aten::le.Scalar"),
  gt: op("aten::gt.Tensor"),
  gtScalar: op("aten::gt.Scalar"),
  ge: op("aten::ge.Tensor"),
  geScalar: op("aten::ge.Scalar"),
  logicalAnd: op("aten::logical_and"),
  logicalOr: op("aten::logical_or"),
  logicalNot: op("aten::logical_not"),
  isnan: op("aten::isnan"),
  isfinite: op("aten::isfinite"),
  any: op("aten::any"),
  all: op("aten::all"),
  sum: op("aten::sum"),
  sumDim: op("aten::sum.dim_IntList"),
  mean: op("aten::mean"),
  meanDim: op("aten::mean.dim"),
  max: op("aten::max"),
  min: op("aten::min"),
  maxDim: op("aten::max.dim"),
  amax: op("aten::amax"),
  amin: op("aten::amin"),
  argmax: op("aten::argmax"),
  argmin: op("aten::argmin"),
  norm: op("aten::linalg_vector_norm"),
  cumsum: op("aten::cumsum"),
  sort: op("aten::sort"),
  topk: op("aten::topk"),
  quantile: op("aten::quantile.scalar"),
  reshape: op("aten::reshape"),
  view: op("aten::view"),
  permute: op("aten::permute"),
  transpose: op("aten::transpose.int"),
  unsqueeze: op("aten::unsqueeze"),
  squeeze: op("aten::squeeze"),
  squeezeDim: op("aten::squeeze.dim"),
  flatten: op("aten::flatten.using_ints"),
  expand: op("aten::expand"),
  repeat: op("aten::repeat"),
  flip: op("aten::flip"),
  contiguous: op("aten::contiguous"),
  split: op("aten::split.Tensor"),
  select: op("aten::select.int"),
  narrow: op("aten::narrow"),
  slice: op("aten::slice.Tensor"),
  indexSelect: op("aten::index_select"),
  index: op("aten::index.Tensor"),
  indexPut: op("aten::index_put"),
  gather: op("aten::gather"),
  scatter: op("aten::scatter.src"),
  scatterValue: op("aten::scatter.value"),
  maskedSelect: op("aten::masked_select"),
  maskedFill: op("aten::masked_fill.Scalar"),
  nonzero: op("aten::nonzero"),
  toCopy: op("aten::_to_copy"),
  alias: op("aten::alias"),
  clone: op("aten::clone"),
  detach: op("aten::detach"),
  add_: op("aten::add_.Tensor"),
  addScalar_: op("aten::add_.Scalar"),
  mul_: op("aten::mul_.Tensor"),
  mulScalar_: op("aten::mul_.Scalar"),
  div_: op("aten::div_.Tensor"),
  divScalar_: op("aten::div_.Scalar"),
  copy_: op("aten::copy_"),
  setData_: op("aten::set_data"),
  zero_: op("aten::zero_"),
  fill_: op("aten::fill_.Scalar"),
  clamp_: op("aten::clamp_"),
  maskedFill_: op("aten::masked_fill_.Scalar"),
  indexCopy_: op("aten::index_copy_"),
  normal_: op("aten::normal_"),
  uniform_: op("aten::uniform_"),
};
