/** A tensor in a file, whatever the file's format: what it is, and its bytes when asked for. */

/** Element types that are loaded; the names are PyTorch's. */
export const ITEM_BYTES = {
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  bfloat16: 2,
  float16: 2,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const satisfies Record<string, number>;

export type StoredDtype = keyof typeof ITEM_BYTES;

export interface StoredTensor {
  dtype: StoredDtype;
  /** Sizes in row-major order; [] is a scalar. */
  shape: readonly number[];
  /** Tensors of one file with equal places are the same bytes under two names. */
  place: string;
  /** Its elements in row-major order, little-endian, in an array buffer of their own. @throws CsrmError when damaged */
  read(): Uint8Array<ArrayBuffer>;
}

/** What a file of tensors holds. */
export interface TensorFile {
  /** The file's name, for messages. */
  name: string;
  format: "safetensors" | "torch-zip" | "torch-legacy" | "npz";
  tensors: Map<string, StoredTensor>;
  /** Texts that a safetensors file says about itself. */
  metadata: Record<string, string>;
  /** Where in a checkpoint of several parts the tensors stood, e.g. "state_dict"; "" for a bare state dict. */
  section: string;
  /** What lies beside the tensors and is not loaded: name and a short description. */
  others: Map<string, string>;
}

/** Bytes in row-major order take so many. */
export function byteLength({ dtype, shape }: Pick<StoredTensor, "dtype" | "shape">): number {
  return shape.reduce((product, side) => product * side, ITEM_BYTES[dtype]);
}

/** Elements a tensor has. */
export function elementsOf({ shape }: Pick<StoredTensor, "shape">): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** The bytes in an array buffer of their own, which typed arrays need for alignment: a copy where they share one. */
export function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const alone = bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer;
  return alone ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
