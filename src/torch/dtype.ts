/** Element types of tensors and the typed arrays that hold them in JavaScript. */
import { expected } from "../errors.ts";

export const dtypes = [
  "float32",
  "float64",
  "bfloat16",
  "float16",
  "int64",
  "int32",
  "int16",
  "int8",
  "uint8",
  "bool",
] as const;

export type DType = (typeof dtypes)[number];

/** "cpu", "cuda" or "cuda:1". */
export type Device = string;

export type MemoryFormat = "contiguous" | "channels_last" | "preserve";

export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array;

/** The typed array of a dtype; half-precision bits travel in a Uint16Array, booleans as 0 and 1. */
export function arrayOf(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "int8":
      return new Int8Array(buffer);
    case "bfloat16":
    case "float16":
      return new Uint16Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}

/** The dtype that a typed array holds when nothing else is said. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof BigInt64Array) return "int64";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Int16Array) return "int16";
  if (array instanceof Int8Array) return "int8";
  if (array instanceof Uint8Array || array instanceof Uint8ClampedArray) return "uint8";
  throw expected("a typed array with a dtype of its own", "data", array, "name the dtype (bfloat16 or float16)");
}
