/** State dicts in files: written as safetensors, whole or not at all; read from every format of tensors, half precision kept. */
import { writeFileAtomicSync } from "../files.ts";
import { encodeSafetensorsHeader } from "../formats/safetensors.ts";
import type { StoredTensor } from "../formats/stored-tensor.ts";
import { openTensorFile, SAFETENSORS_DTYPES } from "../formats/tensor-file.ts";
import { arrayOf } from "./dtype.ts";
import { Tensor } from "./tensor.ts";

/** @throws CsrmError naming the file when it cannot be written; nothing is left under its name then */
export function saveTensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): void {
  const specs = [...tensors].map(([name, t]) => ({ name, dtype: SAFETENSORS_DTYPES[t.dtype], shape: t.shape }));
  const { header, entries } = encodeSafetensorsHeader(specs, metadata);
  const bytes = entries.map(({ name }) => {
    const array = tensors.get(name)!.toTypedArray();
    return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  });
  writeFileAtomicSync(path, [header, ...bytes]);
}

export interface LoadedTensors {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/**
 * Reads all tensors of a file (safetensors, .pth, .npz: told by its content), or those whose name passes `filter`, into memory
 * of their own.
 * @throws CsrmError naming the file when it is missing, cut off or malformed
 */
export function loadTensors(path: string, filter: (name: string) => boolean = () => true): LoadedTensors {
  using file = openTensorFile(path);
  const wanted = [...file.tensors].filter(([name]) => filter(name));
  return { tensors: new Map(wanted.map(([name, stored]) => [name, loadTensor(stored)])), metadata: file.metadata };
}

/** Reads one tensor of an open file. */
export function loadTensor(stored: StoredTensor): Tensor {
  return Tensor.share(arrayOf(stored.dtype, stored.read().buffer), stored.shape, stored.dtype);
}

export interface InspectedTensors {
  tensors: Map<string, Pick<StoredTensor, "dtype" | "shape">>;
  metadata: Record<string, string>;
}

/** Names, shapes, dtypes and metadata of a file without its numbers. */
export function inspectTensors(path: string): InspectedTensors {
  using file = openTensorFile(path);
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const);
  return { tensors: new Map(tensors), metadata: file.metadata };
}
