/** The safetensors container as a pure codec: a checked header with byte ranges in, a header with byte ranges out. */

import { CsrmError } from "../errors.ts";

/** Bytes an element takes, by the dtype names of the format. */
export const SAFETENSORS_ITEM_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const satisfies Record<string, number>;

export type SafetensorsDtype = keyof typeof SAFETENSORS_ITEM_BYTES;

/** What a tensor is, without its bytes. */
export interface TensorSpec {
  name: string;
  dtype: SafetensorsDtype;
  /** Sizes in row-major order; [] is a scalar. */
  shape: readonly number[];
}

/** A tensor and where its bytes lie, counted from the beginning of the file; `end` is exclusive. */
export interface TensorEntry extends TensorSpec {
  begin: number;
  end: number;
}

export interface SafetensorsIndex {
  /** In the order of their bytes. */
  entries: TensorEntry[];
  metadata: Record<string, string>;
}

/** The length of the file's fixed prefix, which holds the length of the header that follows. */
export const SAFETENSORS_PREFIX = 8;
// The limit of the reference implementation.
const MAX_HEADER = 100_000_000;

/** Checks a whole file held in memory. @param name the file's name, for messages. @throws CsrmError (code "data") */
export function parseSafetensors(bytes: Uint8Array, name: string): SafetensorsIndex {
  const length = safetensorsHeaderLength(bytes.subarray(0, SAFETENSORS_PREFIX), bytes.length, name);
  const header = bytes.subarray(SAFETENSORS_PREFIX, SAFETENSORS_PREFIX + length);
  return parseSafetensorsHeader(header, bytes.length, name);
}

/**
 * The length in bytes of the JSON header, from the first 8 bytes of the file: for readers that do not load the whole file.
 * @throws CsrmError (code "data") when the file is too short for it
 */
export function safetensorsHeaderLength(prefix: Uint8Array, fileSize: number, name: string): number {
  if (prefix.length < SAFETENSORS_PREFIX) throw damaged(name, `it has only ${fileSize} bytes`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) throw damaged(name, `its header length ${length} is over ${MAX_HEADER} bytes`);
  if (Number(length) > fileSize - SAFETENSORS_PREFIX) {
    throw damaged(name, `its header of ${length} bytes does not fit in a file of ${fileSize} bytes`);
  }
  return Number(length);
}

/**
 * Reads and checks the JSON header: known dtypes, sizes that match the byte ranges, ranges that cover the rest of the file
 * without gap or overlap.
 * @throws CsrmError (code "data") naming the file, the tensor and what is wrong
 */
export function parseSafetensorsHeader(header: Uint8Array, fileSize: number, name: string): SafetensorsIndex {
  const dataStart = SAFETENSORS_PREFIX + header.length;
  const metadata: Record<string, string> = {};
  const entries: TensorEntry[] = [];
  for (const [key, value] of Object.entries(parseJson(header, name))) {
    if (key === "__metadata__") Object.assign(metadata, readMetadata(value, name));
    else entries.push(readEntry(key, value, { name, dataStart, fileSize }));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const entry of entries) {
    if (entry.begin !== at) {
      const kind = entry.begin < at ? "overlap those before" : "leave a gap before them";
      throw damaged(name, `the bytes of tensor "${entry.name}" ${kind}`);
    }
    at = entry.end;
  }
  if (at !== fileSize) throw damaged(name, `${fileSize - at} bytes at its end belong to no tensor`);
  return { entries, metadata };
}

/**
 * The prefix and header of a new file, padded so that the data begin at a multiple of 8, and the tensors in the order in
 * which their bytes must follow (wide elements first, so that every tensor is aligned; otherwise as given).
 * @throws CsrmError on a repeated or reserved name
 */
export function encodeSafetensorsHeader(
  specs: Iterable<TensorSpec>,
  metadata: Record<string, string> = {},
): { header: Uint8Array; entries: TensorEntry[] } {
  const ordered = [...specs].sort((a, b) => SAFETENSORS_ITEM_BYTES[b.dtype] - SAFETENSORS_ITEM_BYTES[a.dtype]);
  const seen = new Set(["__metadata__"]);
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const relative: TensorEntry[] = [];
  let at = 0;
  for (const { name, dtype, shape } of ordered) {
    if (seen.has(name))
      throw new CsrmError(`the tensor name "${name}" is reserved or used twice`, { code: "expected" });
    seen.add(name);
    const end = at + sizeOf(dtype, shape);
    relative.push({ name, dtype, shape: [...shape], begin: at, end });
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, end] })}`);
    at = end;
  }
  const json = Buffer.from(`{${fields.join(",")}}`, "utf8");
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(SAFETENSORS_PREFIX + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, SAFETENSORS_PREFIX);
  const shift = header.length;
  return { header, entries: relative.map((e) => ({ ...e, begin: e.begin + shift, end: e.end + shift })) };
}

function parseJson(header: Uint8Array, name: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  } catch {
    throw damaged(name, "its header is not valid JSON; is it a safetensors file?");
  }
  if (!isRecord(parsed)) throw damaged(name, "its header is not a JSON object");
  return parsed;
}

function readMetadata(value: unknown, name: string): Record<string, string> {
  const out: Record<string, string> = {};
  if (!isRecord(value)) throw damaged(name, "its metadata is not an object");
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") throw damaged(name, `its metadata "${key}" is not a text`);
    out[key] = text;
  }
  return out;
}

function readEntry(
  tensor: string,
  value: unknown,
  file: { name: string; dataStart: number; fileSize: number },
): TensorEntry {
  const wrong = (why: string) => damaged(file.name, `tensor "${tensor}" ${why}`);
  if (!isRecord(value)) throw wrong("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) throw wrong(`has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!isNaturals(shape)) throw wrong(`has the shape ${JSON.stringify(shape)}`);
  if (!isNaturals(offsets) || offsets.length !== 2) throw wrong(`has the byte range ${JSON.stringify(offsets)}`);
  const size = sizeOf(dtype, shape);
  if (!Number.isSafeInteger(size)) throw wrong(`has the impossible shape [${shape}]`);
  const [begin, end] = [file.dataStart + offsets[0]!, file.dataStart + offsets[1]!];
  if (end - begin !== size) throw wrong(`takes ${end - begin} bytes where ${dtype} [${shape}] needs ${size}`);
  if (end > file.fileSize) throw wrong(`ends at byte ${end} of a file of ${file.fileSize}; the file is cut off`);
  return { name: tensor, dtype, shape, begin, end };
}

function sizeOf(dtype: SafetensorsDtype, shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, SAFETENSORS_ITEM_BYTES[dtype]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === "string" && Object.hasOwn(SAFETENSORS_ITEM_BYTES, value);
}

function isNaturals(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as safetensors: ${why}`, { code: "data" });
}
