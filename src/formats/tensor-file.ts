/** Opens a file of tensors whatever its format, told by its content: safetensors, PyTorch (both kinds), npz. */

import { type ByteSource, openBytes } from "../byte-source.ts";
import { CsrmError } from "../errors.ts";
import { readNpy } from "./npy.ts";
import {
  parseSafetensorsHeader,
  SAFETENSORS_PREFIX,
  type SafetensorsDtype,
  safetensorsHeaderLength,
} from "./safetensors.ts";
import { ITEM_BYTES, owned, type StoredDtype, type StoredTensor, type TensorFile } from "./stored-tensor.ts";
import { readTorchLegacy, readTorchZip, torchPickleIn } from "./torch-file.ts";
import { stateDictIn } from "./torch-sections.ts";
import { openZip, type ZipMember } from "./zip.ts";

export interface ReadOptions {
  /** Which part of a PyTorch checkpoint; by default the one that is a network. */
  section?: string;
}

/**
 * Opens a file; its tensors can be read until it is disposed.
 * @throws CsrmError naming the file when it is missing, damaged, or of no format that is read
 */
export function openTensorFile(path: string, options: ReadOptions = {}): TensorFile & Disposable {
  const source = openBytes(path);
  try {
    return { ...readTensorFile(source, options), [Symbol.dispose]: () => source[Symbol.dispose]() };
  } catch (error) {
    source[Symbol.dispose]();
    throw error;
  }
}

/** Names, shapes and places of a file's tensors; their bytes are read when asked for. @throws CsrmError naming the file */
export function readTensorFile(source: ByteSource, { section }: ReadOptions = {}): TensorFile {
  const { name } = source;
  const head = source.read(0, Math.min(source.size, 512));
  const plain = { name, metadata: {}, section: "", others: new Map<string, string>() };
  // First, as the length before the header may begin with any bytes, also those of the other formats.
  if (head[SAFETENSORS_PREFIX] === "{".charCodeAt(0)) {
    return { ...plain, format: "safetensors", ...safetensorsTensors(source) };
  }
  if (startsWith(head, "PK")) {
    const members = openZip(source);
    if (torchPickleIn(members) !== undefined) {
      return { ...plain, format: "torch-zip", ...stateDictIn(readTorchZip(source, members), name, section) };
    }
    return { ...plain, format: "npz", ...npzTensors(source, members) };
  }
  // Protocol 2, as torch.save writes, begins with 0x80 and the number 2.
  if (head[0] === 0x80 && head[1]! <= 5) {
    return { ...plain, format: "torch-legacy", ...stateDictIn(readTorchLegacy(source), name, section) };
  }
  throw new CsrmError(`cannot read ${name}: ${foreignKind(head)}`, { code: "data" });
}

/** Dtypes of safetensors and of here; those missing cannot be held by every supported libtorch. */
export const SAFETENSORS_DTYPES: Record<StoredDtype, SafetensorsDtype> = {
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
const BY_SAFETENSORS = new Map(
  Object.entries(SAFETENSORS_DTYPES).map(([ours, theirs]) => [theirs, ours as StoredDtype]),
);

function safetensorsTensors(source: ByteSource): Pick<TensorFile, "tensors" | "metadata"> {
  const { name, size } = source;
  const prefix = source.read(0, Math.min(SAFETENSORS_PREFIX, size));
  const length = safetensorsHeaderLength(prefix, size, name);
  const header = source.read(SAFETENSORS_PREFIX, SAFETENSORS_PREFIX + length);
  const { entries, metadata } = parseSafetensorsHeader(header, size, name);
  const tensors = new Map<string, StoredTensor>();
  for (const { name: key, dtype, shape, begin, end } of entries) {
    const known = BY_SAFETENSORS.get(dtype);
    if (!known) throw new CsrmError(`${name}: tensor "${key}" has the dtype ${dtype}, which libtorch here cannot hold`);
    const read = () => owned(source.read(begin, end));
    tensors.set(key, { dtype: known, shape, place: String(begin), read });
  }
  return { tensors, metadata };
}

function npzTensors(source: ByteSource, members: ReadonlyMap<string, ZipMember>): Pick<TensorFile, "tensors"> {
  const tensors = new Map<string, StoredTensor>();
  const unpacked = [...members.values()].reduce((sum, member) => sum + member.size, 0);
  if (unpacked > 20 * source.size + 2 ** 20) {
    throw new CsrmError(`cannot read ${source.name}: it unpacks to ${unpacked} bytes`, { code: "data" });
  }
  for (const member of members.values()) {
    if (!member.name.endsWith(".npy")) continue;
    const file = `${source.name}: ${member.name}`;
    const array = () => readNpy(member.read(), file);
    const { dtype, shape } = array();
    // Halves are widened by the reader.
    const held = dtype === "float16" ? "float32" : dtype;
    if (!Object.hasOwn(ITEM_BYTES, held)) {
      throw new CsrmError(`${file} holds elements of ${dtype}, which libtorch here cannot hold`, { code: "data" });
    }
    const read = () => {
      const { data } = array();
      return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    };
    tensors.set(member.name.slice(0, -4), { dtype: held as StoredDtype, shape, place: member.name, read });
  }
  if (tensors.size === 0) {
    throw new CsrmError(`cannot read ${source.name}: it is a zip archive with neither data.pkl nor .npy members`, {
      code: "data",
    });
  }
  return { tensors };
}

/** What people take for weights, and what to do about it. */
function foreignKind(head: Uint8Array): string {
  if (head.length === 0) return "it is empty";
  const text = Buffer.from(head).toString("latin1");
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return "it is a web page; download the file itself";
  if (text.startsWith("version https://git-lfs")) return "it is a Git LFS pointer; fetch the file with git lfs pull";
  if (text.startsWith("\x89HDF")) return "it is an HDF5 file (Keras); convert it to safetensors first";
  if (text.startsWith("\x1f\x8b")) return "it is packed with gzip; unpack it first";
  if (text.slice(257, 262) === "ustar") {
    return "it is a tar archive, as PyTorch before 0.1.10 wrote; save it again with a newer PyTorch";
  }
  return "it is none of safetensors, PyTorch (.pth, .pt) and npz, or its beginning is damaged";
}

function startsWith(head: Uint8Array, text: string): boolean {
  return Buffer.from(head.subarray(0, text.length)).toString("latin1") === text;
}
