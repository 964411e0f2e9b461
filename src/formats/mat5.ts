/** A reader of MATLAB's MAT-files of version 5 (-v6, -v7): numbers, text, cells and structs of either byte order, packed or not. */

import { inflateSync } from "node:zlib";
import { CsrmError, messageOf } from "../errors.ts";
import { Mat5Elements, type NumberArray } from "./mat5-elements.ts";

/** What a variable, a cell or a field of a struct holds. `dims` has at least two entries. */
export type MatValue =
  /** Numbers of any class, column by column (the first index runs fastest); logical ones are 0 and 1. */
  | { kind: "numeric"; dims: number[]; data: NumberArray }
  | { kind: "text"; dims: number[]; text: string }
  | { kind: "cell"; dims: number[]; cells: MatValue[] }
  /** One value an element of the struct array for each field. */
  | { kind: "struct"; dims: number[]; fields: Map<string, MatValue[]> }
  /** Present, but not read: sparse and complex matrices, objects, functions. */
  | { kind: "unread"; dims: number[]; type: string };

const HEADER = 128;
const [INT32, UINT32, MATRIX, COMPRESSED] = [5, 6, 14, 15];
const [CELL, STRUCT, OBJECT, TEXT, SPARSE, FIRST_NUMERIC, LAST_NUMERIC] = [1, 2, 3, 4, 5, 6, 15];
const COMPLEX = 0x800;
const MAX_DEPTH = 32;
// An empty cell takes 8 bytes in a file and many more as an object.
const MAX_VALUES = 2 ** 17;

/**
 * The variables of a MAT-file by name.
 * @param name the file's name, for messages
 * @param options.maxBytes how many bytes the packed variables may unpack to, all together (default 256 MiB)
 * @throws CsrmError (code "data") naming the file when it is of another version, cut off, damaged or unpacks to too much
 */
export function readMat5(
  bytes: Uint8Array,
  name: string,
  { maxBytes = 2 ** 28 }: { maxBytes?: number } = {},
): Map<string, MatValue> {
  const littleEndian = byteOrder(bytes, name);
  const variables = new Map<string, MatValue>();
  const elements = new Mat5Elements(bytes.subarray(HEADER), { littleEndian, name });
  const values = { left: MAX_VALUES };
  let left = maxBytes;
  while (!elements.atEnd) {
    let element = elements.next();
    if (element.type === COMPRESSED) {
      const unpacked = inflate(element.bytes, left, name);
      left -= unpacked.length;
      element = new Mat5Elements(unpacked, { littleEndian, name }).next();
    }
    if (element.type !== MATRIX) continue;
    const variable = readMatrix(element.bytes, { littleEndian, name, depth: 0, values });
    variables.set(variable.name, variable.value);
  }
  return variables;
}

/** Reads the header. @returns whether numbers are little-endian */
function byteOrder(bytes: Uint8Array, name: string): boolean {
  if (bytes.length === 0) throw damaged(name, "it is empty");
  const text = Buffer.from(bytes.subarray(0, 116)).toString("latin1");
  if (/^MATLAB 7\.3/.test(text)) {
    throw damaged(name, "it is of version 7.3 (HDF5); save it in MATLAB with -v7");
  }
  const mark = Buffer.from(bytes.subarray(126, 128)).toString("latin1");
  if (mark !== "IM" && mark !== "MI") {
    throw damaged(name, bytes.length < HEADER ? "it is cut off in its header" : "it is no MAT-file of version 5");
  }
  const littleEndian = mark === "IM";
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(124, littleEndian);
  if (version !== 0x100) throw damaged(name, `its version 0x${version.toString(16)} is not that of version 5, 0x100`);
  return littleEndian;
}

interface Context {
  littleEndian: boolean;
  name: string;
  depth: number;
  /** Shared by all of a file. */
  values: { left: number };
}

function readMatrix(bytes: Uint8Array, context: Context): { name: string; value: MatValue } {
  const { name: file, depth, values } = context;
  if (values.left-- === 0) throw damaged(file, `it has more than ${MAX_VALUES} values`);
  if (depth > MAX_DEPTH) throw damaged(file, `its values are nested more than ${MAX_DEPTH} deep`);
  // MATLAB's short form of an empty matrix, as in cells that were never set.
  if (bytes.length === 0) return { name: "", value: { kind: "numeric", dims: [0, 0], data: new Float64Array(0) } };
  const elements = new Mat5Elements(bytes, context);
  const [flags = 0] = elements.numbers("flags", [UINT32]);
  const dims = Array.from(elements.numbers("dimensions", [INT32]));
  const name = elements.text("a name");
  const type = flags & 0xff;
  if (dims.length < 2 || dims.some((side) => side < 0)) throw damaged(file, `a value is [${dims.join(", ")}] large`);
  const count = dims.reduce((product, side) => product * side, 1);
  return { name, value: readValue(elements, { type, flags, dims, count, context }) };
}

interface Shape {
  type: number;
  flags: number;
  dims: number[];
  count: number;
  context: Context;
}

function readValue(elements: Mat5Elements, shape: Shape): MatValue {
  const { type, flags, dims, count, context } = shape;
  if (type === CELL) return { kind: "cell", dims, cells: readMany(elements, count, context) };
  if (type === STRUCT) return { kind: "struct", dims, fields: readFields(elements, count, context) };
  if (type === TEXT) return { kind: "text", dims, text: elements.text("a text") };
  if (type >= FIRST_NUMERIC && type <= LAST_NUMERIC && !(flags & COMPLEX)) {
    const data = elements.numbersAs(type - FIRST_NUMERIC, count);
    return { kind: "numeric", dims, data };
  }
  const names: Record<number, string> = { [OBJECT]: "object", [SPARSE]: "sparse matrix" };
  const other = type >= FIRST_NUMERIC && type <= LAST_NUMERIC ? "complex matrix" : `value of class ${type}`;
  return { kind: "unread", dims, type: names[type] ?? other };
}

/** A loop that a forged count cannot prolong: every value takes bytes, and what is not there is an error. */
function readMany(elements: Mat5Elements, count: number, context: Context): MatValue[] {
  const values: MatValue[] = [];
  for (let i = 0; i < count; i++) {
    const { type, bytes } = elements.next();
    if (type !== MATRIX) throw damaged(context.name, `an element of type ${type} stands where a value belongs`);
    values.push(readMatrix(bytes, { ...context, depth: context.depth + 1 }).value);
  }
  return values;
}

/** Fields are stored element by element: all fields of the first one, then of the next. */
function readFields(elements: Mat5Elements, count: number, context: Context): Map<string, MatValue[]> {
  const [width = 0] = elements.numbers("the length of field names", [INT32]);
  const names = elements.text("field names");
  if (width <= 0 || names.length % width !== 0)
    throw damaged(context.name, "the names of a struct's fields are broken");
  const fields = new Map<string, MatValue[]>();
  for (let at = 0; at < names.length; at += width) {
    fields.set(names.slice(at, at + width).replace(/\0.*$/s, ""), []);
  }
  if (fields.size * width !== names.length) throw damaged(context.name, "a struct has two fields of one name");
  const values = readMany(elements, fields.size === 0 ? 0 : count * fields.size, context);
  for (const [i, list] of [...fields.values()].entries()) {
    for (let at = i; at < values.length; at += fields.size) list.push(values[at]!);
  }
  return fields;
}

function inflate(packed: Uint8Array, limit: number, name: string): Uint8Array {
  try {
    return inflateSync(packed, { maxOutputLength: Math.max(1, limit) });
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    throw damaged(
      name,
      tooLarge ? "it unpacks to more than can be read" : `it cannot be unpacked (${messageOf(error)})`,
    );
  }
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a MAT-file: ${why}`, { code: "data" });
}
