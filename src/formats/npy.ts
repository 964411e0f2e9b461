/** The .npy file of NumPy: one array with a textual header; object arrays go through the restricted pickle reader. */

import { CsrmError } from "../errors.ts";
import {
  arrayFromBytes,
  type Descriptor,
  descriptorOf,
  elementCount,
  type NumpyArray,
  type NumpyData,
  parseDescriptor,
} from "./numpy-array.ts";
import { unpickle } from "./pickle.ts";
import { NUMPY_GLOBALS, PickledArray } from "./pickle-numpy.ts";

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY

/**
 * Reads a numeric or bool array, made C-contiguous and of native byte order.
 * @param name the file's name, for messages
 * @throws CsrmError (code "data") on a damaged file or an element type that is not numeric
 */
export function readNpy(bytes: Uint8Array, name: string): NumpyArray {
  const { descriptor, shape, fortranOrder, start } = readHeader(bytes, name);
  const { dtype, littleEndian } = descriptor;
  if (dtype === "object") throw damaged(name, "it holds Python objects where numbers were expected");
  const body = bytes.subarray(start);
  const array = arrayFromBytes(body, { dtype, littleEndian, shape, fortranOrder });
  if (!array) throw damaged(name, `${body.length} bytes of data do not make the shape [${shape}] of ${dtype}`);
  return array;
}

/**
 * Reads what an object array of one element holds, e.g. the dictionary inside `cls_labels.npy`. Nothing is executed:
 * see pickle.ts for what may stand in it.
 * @throws CsrmError (code "data") on a damaged file, a numeric array, several elements or a forbidden pickle
 */
export function readNpyObject(bytes: Uint8Array, name: string): unknown {
  const { descriptor, shape, start } = readHeader(bytes, name);
  if (descriptor.dtype !== "object")
    throw damaged(name, `it holds ${descriptor.dtype} where a Python object was expected`);
  if (elementCount(shape) !== 1) throw damaged(name, `it holds the shape [${shape}] where one object was expected`);
  const value = unpickle(bytes.subarray(start), { name, globals: NUMPY_GLOBALS });
  if (!(value instanceof PickledArray) || !Array.isArray(value.data) || value.data.length !== 1) {
    throw damaged(name, "its pickle does not hold the one object that its header promises");
  }
  return value.data[0];
}

/** An array as .npy bytes (format 1.0, little-endian, C order). @throws CsrmError when data and shape disagree */
export function writeNpy(data: NumpyData, shape: readonly number[]): Uint8Array {
  if (elementCount(shape) !== data.length) {
    throw new CsrmError(`expected data for the shape [${shape}], got ${data.length} elements`, { code: "expected" });
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${descriptorOf(data)}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version, length and text fill a multiple of 64 bytes, so that the data can be memory-mapped.
  const padded = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = Buffer.from(`${text.padEnd(padded - 1)}\n`, "latin1");
  const lengthAndVersion = Uint8Array.of(1, 0, padded & 255, padded >> 8);
  return Buffer.concat([
    MAGIC,
    lengthAndVersion,
    header,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}

interface NpyHeader {
  descriptor: Descriptor;
  shape: number[];
  fortranOrder: boolean;
  /** Where the data begin. */
  start: number;
}

function readHeader(bytes: Uint8Array, name: string): NpyHeader {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) throw damaged(name, "it is not a .npy file");
  const version = bytes[6] ?? 0;
  if (version < 1 || version > 3) throw damaged(name, `format version ${version} is unknown`);
  const lengthBytes = version === 1 ? 2 : 4;
  if (bytes.length < 8 + lengthBytes) throw damaged(name, "it is cut off");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = 8 + lengthBytes + length;
  if (start > bytes.length) throw damaged(name, "it is cut off inside its header");
  const text = Buffer.from(bytes.subarray(8 + lengthBytes, start)).toString("latin1");
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const sides = /'shape'\s*:\s*\(([\d\sL,]*)\)/.exec(text)?.[1];
  if (order === undefined || sides === undefined)
    throw damaged(name, `its header ${JSON.stringify(text.trim())} is broken`);
  const descriptor = descr === undefined ? null : parseDescriptor(descr);
  if (!descriptor) throw damaged(name, `its elements ${descr ?? "are records; they"} are not of a supported type`);
  const shape = sides.match(/\d+/g)?.map(Number) ?? [];
  if (Number.isNaN(elementCount(shape))) throw damaged(name, `its shape [${shape}] is impossible`);
  return { descriptor, shape, fortranOrder: order === "True", start };
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a NumPy array: ${why}`, { code: "data" });
}
