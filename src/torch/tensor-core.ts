/** What a tensor is before any arithmetic: a handle with a lifetime, its properties, and ways to read its numbers. */
import { CsrmError, expected } from "../errors.ts";
import { arrayOf, type Device, type DType, type TypedArray } from "./dtype.ts";
import { type Handle, native } from "./native.ts";
import { adopt, disown } from "./scope.ts";

export abstract class TensorCore {
  #handle: Handle;
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;

  protected constructor(handle: Handle) {
    this.#handle = handle;
    adopt(this);
  }

  /** The addon's name for this tensor. @throws CsrmError once disposed */
  get handle(): Handle {
    if (this.#handle === 0) {
      const shape = this.#shape ? ` (it was ${this.#dtype ?? "a tensor"} [${this.#shape.join(", ")}])` : "";
      throw new CsrmError(`tensor used after it was disposed${shape}; return it from its scope or keep() it`, {
        code: "disposed",
      });
    }
    return this.#handle;
  }

  get isDisposed(): boolean {
    return this.#handle === 0;
  }

  /** Lets go of the memory now. Tensors that share it (views) and saved gradients are not affected. Safe to call twice. */
  dispose(): void {
    if (this.#handle === 0) return;
    disown(this);
    native.release(this.#handle);
    this.#handle = 0;
  }

  /** `using x = …` disposes x at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get shape(): number[] {
    this.#shape ??= native.shape(this.handle);
    return this.#shape as number[];
  }

  /** After the tensor behind the handle was changed in place: some operators give it another shape (resize_, t_, out=). */
  forgetProperties(): void {
    this.#shape = undefined;
    this.#dtype = undefined;
  }

  get ndim(): number {
    return this.shape.length;
  }

  get numel(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  /** The size of one dimension; negative ones count from the end. */
  size(dim: number): number {
    const size = this.shape[dim < 0 ? dim + this.ndim : dim];
    if (size === undefined) throw expected(`a dimension in ${-this.ndim}..${this.ndim - 1}`, "size(dim)", dim);
    return size;
  }

  get dtype(): DType {
    this.#dtype ??= native.dtype(this.handle) as DType;
    return this.#dtype;
  }

  get device(): Device {
    return native.device(this.handle);
  }

  get requiresGrad(): boolean {
    return native.requiresGrad(this.handle);
  }

  /** Whether memory lies as batch, height, width, channel: the layout convolutions on CPUs and GPUs like best. */
  get isChannelsLast(): boolean {
    return native.isChannelsLast(this.handle);
  }

  /** The number of a tensor with one element. Waits for a GPU. */
  item(): number {
    return native.item(this.handle);
  }

  /** A copy of the values, row-major, on the CPU; bfloat16 and float16 as their bits in a Uint16Array, bool as 0 and 1. */
  toTypedArray(): TypedArray {
    return arrayOf(this.dtype, native.toArrayBuffer(this.handle, false));
  }

  /**
   * The values without a copy: writes on either side show on the other. The memory lives as long as either of them.
   * @throws CsrmError unless contiguous and on the CPU
   */
  shareTypedArray(): TypedArray {
    return arrayOf(this.dtype, native.toArrayBuffer(this.handle, true));
  }

  toString(): string {
    return this.isDisposed ? "Tensor(disposed)" : `Tensor(${this.dtype}[${this.shape.join(", ")}], ${this.device})`;
  }
}
