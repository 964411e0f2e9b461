/** State dicts as safetensors files: written whole or not at all, read with every length checked, half precision kept. */
import fs from "node:fs";
import { CsrmError } from "../errors.ts";
import { readError, writeFileAtomicSync } from "../files.ts";
import {
  encodeSafetensorsHeader,
  parseSafetensorsHeader,
  SAFETENSORS_PREFIX,
  type SafetensorsDtype,
  type SafetensorsIndex,
  safetensorsHeaderLength,
  type TensorEntry,
} from "../formats/safetensors.ts";
import { arrayOf, type DType } from "./dtype.ts";
import { Tensor } from "./tensor.ts";

const names: Record<DType, SafetensorsDtype> = {
  float32: "F32",
  float64: "F64",
  bfloat16: "BF16",
  float16: "F16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

const dtypes = new Map(Object.entries(names).map(([dtype, name]) => [name, dtype as DType]));

/** @throws CsrmError naming the file when it cannot be written; nothing is left under its name then */
export function saveTensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Record<string, string> = {},
): void {
  const specs = [...tensors].map(([name, t]) => ({ name, dtype: names[t.dtype], shape: t.shape }));
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
 * Reads all tensors of a file, or those whose name passes `filter`, into memory of their own.
 * @throws CsrmError naming the file when it is missing, cut off or malformed
 */
export function loadTensors(path: string, filter: (name: string) => boolean = () => true): LoadedTensors {
  return withFile(path, (descriptor) => {
    const { entries, metadata } = readIndex(path, descriptor);
    const tensors = new Map<string, Tensor>();
    for (const entry of entries) if (filter(entry.name)) tensors.set(entry.name, readTensor(path, descriptor, entry));
    return { tensors, metadata };
  });
}

/** Names, shapes, dtypes and metadata of a file without its numbers. */
export function inspectTensors(path: string): SafetensorsIndex {
  return withFile(path, (descriptor) => readIndex(path, descriptor));
}

function withFile<T>(path: string, body: (descriptor: number) => T): T {
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, "r");
  } catch (error) {
    throw readError(path, error);
  }
  try {
    return body(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function readIndex(path: string, descriptor: number): SafetensorsIndex {
  const size = fs.fstatSync(descriptor).size;
  const prefix = readBytes(path, descriptor, 0, Math.min(SAFETENSORS_PREFIX, size));
  const length = safetensorsHeaderLength(prefix, size, path);
  return parseSafetensorsHeader(readBytes(path, descriptor, SAFETENSORS_PREFIX, length), size, path);
}

function readTensor(path: string, descriptor: number, { name, dtype, shape, begin, end }: TensorEntry): Tensor {
  const known = dtypes.get(dtype);
  if (!known) throw new CsrmError(`${path}: tensor "${name}" has the dtype ${dtype}, which libtorch here cannot hold`);
  const bytes = readBytes(path, descriptor, begin, end - begin);
  return Tensor.share(arrayOf(known, bytes.buffer as ArrayBuffer), shape, known);
}

function readBytes(path: string, descriptor: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    let count: number;
    try {
      count = fs.readSync(descriptor, bytes, done, Math.min(length - done, 2 ** 30), position + done);
    } catch (error) {
      throw readError(path, error);
    }
    if (count === 0)
      throw new CsrmError(`cannot read ${path}: it ended ${length - done} bytes early`, { code: "file" });
    done += count;
  }
  return bytes;
}
