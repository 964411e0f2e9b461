/** NumPy arrays in JavaScript: element types by their descriptor strings, byte order and memory order made native. */

import { copyInOrder } from "./strided.ts";

/** Element types that are read; "float16" is widened to Float32Array, "bool" is a Uint8Array of 0 and 1. */
export type NumpyDtype = keyof typeof NUMPY_ITEM_BYTES;

export type NumpyData =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** An array in C order: the last axis is contiguous; a shape of [] is a scalar of one element. */
export interface NumpyArray {
  dtype: NumpyDtype;
  shape: number[];
  data: NumpyData;
}

/** A descriptor such as "<f4" taken apart. "object" arrays hold Python objects and have no bytes of their own. */
export interface Descriptor {
  dtype: NumpyDtype | "object";
  littleEndian: boolean;
}

const NUMPY_ITEM_BYTES = {
  float16: 2,
  float32: 4,
  float64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  bool: 1,
} as const satisfies Record<string, number>;

const DTYPES: Record<string, Descriptor["dtype"]> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
  O: "object",
  O8: "object",
  O4: "object",
};

/** Reads "<f4", "|b1", ">i8", "f4", "O"; null for kinds that are not supported (complex, texts, dates, records). */
export function parseDescriptor(text: string): Descriptor | null {
  const match = /^([<>=|]?)([A-Za-z][0-9]*)$/.exec(text);
  const dtype = match && Object.hasOwn(DTYPES, match[2]!) ? DTYPES[match[2]!] : undefined;
  return dtype ? { dtype, littleEndian: match![1] !== ">" } : null;
}

/** How many elements a shape holds; NaN for sides that are not whole numbers or a product beyond exact integers. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const side of shape) {
    if (!Number.isSafeInteger(side) || side < 0) return Number.NaN;
    count *= side;
  }
  return Number.isSafeInteger(count) ? count : Number.NaN;
}

/**
 * Builds an array from raw bytes, or returns null when their number does not fit the shape. The bytes are copied.
 * @param layout.fortranOrder true when the first axis is the contiguous one
 */
export function arrayFromBytes(
  bytes: Uint8Array,
  layout: { dtype: NumpyDtype; littleEndian: boolean; shape: number[]; fortranOrder: boolean },
): NumpyArray | null {
  const { dtype, shape } = layout;
  const itemBytes = NUMPY_ITEM_BYTES[dtype];
  const count = elementCount(shape);
  if (count * itemBytes !== bytes.length) return null;
  // Not bytes.slice(): on a Buffer that is a view into the file.
  const own = new Uint8Array(bytes);
  if (!layout.littleEndian && itemBytes > 1) swapBytes(own, itemBytes);
  const native = viewAs(dtype, own.buffer);
  return { dtype, shape, data: layout.fortranOrder ? toCOrder(native, shape) : native };
}

/** Reorders a flat array whose first axis is contiguous to one whose last axis is. */
export function toCOrder<T extends NumpyData | unknown[]>(source: T, shape: readonly number[]): T {
  if (shape.length < 2) return source;
  const target = source.slice() as T;
  const strides = [1];
  for (const side of shape) strides.push(strides.at(-1)! * side);
  copyInOrder<unknown>(source as ArrayLike<unknown>, target as { [index: number]: unknown }, {
    offset: 0,
    shape,
    strides,
  });
  return target;
}

/** The little-endian descriptor of a typed array, e.g. "<f4"; a Uint8Array is "|u1" or, asked for, "|b1". */
export function descriptorOf(data: NumpyData): string {
  if (data instanceof Float32Array) return "<f4";
  if (data instanceof Float64Array) return "<f8";
  if (data instanceof Uint8Array) return "|u1";
  if (data instanceof Int8Array) return "|i1";
  const signed = data instanceof BigInt64Array || data instanceof Int32Array || data instanceof Int16Array;
  return `<${signed ? "i" : "u"}${data.BYTES_PER_ELEMENT}`;
}

function viewAs(dtype: NumpyDtype, buffer: ArrayBuffer): NumpyData {
  switch (dtype) {
    case "float16":
      return Float32Array.from(new Uint16Array(buffer), halfToNumber);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "uint64":
      return new BigUint64Array(buffer);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer);
  }
}

/** The number that the 16 bits of an IEEE half stand for. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Reverses the bytes of every element, in place. */
export function swapBytes(bytes: Uint8Array, itemBytes: number): void {
  for (let start = 0; start < bytes.length; start += itemBytes) bytes.subarray(start, start + itemBytes).reverse();
}
