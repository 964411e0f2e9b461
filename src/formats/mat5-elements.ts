/** The elements that a MAT-file of version 5 is made of: a type, a length, bytes; and the numbers and texts in them. */

import { CsrmError } from "../errors.ts";

export type NumberArray =
  | Float64Array
  | Float32Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface Element {
  type: number;
  bytes: Uint8Array;
}

/** Storage types by number, each with how one number of it is read. */
const STORED: Readonly<
  Record<number, { size: number; get: (view: DataView, at: number, little: boolean) => number | bigint }>
> = {
  1: { size: 1, get: (view, at) => view.getInt8(at) },
  2: { size: 1, get: (view, at) => view.getUint8(at) },
  3: { size: 2, get: (view, at, little) => view.getInt16(at, little) },
  4: { size: 2, get: (view, at, little) => view.getUint16(at, little) },
  5: { size: 4, get: (view, at, little) => view.getInt32(at, little) },
  6: { size: 4, get: (view, at, little) => view.getUint32(at, little) },
  7: { size: 4, get: (view, at, little) => view.getFloat32(at, little) },
  9: { size: 8, get: (view, at, little) => view.getFloat64(at, little) },
  12: { size: 8, get: (view, at, little) => view.getBigInt64(at, little) },
  13: { size: 8, get: (view, at, little) => view.getBigUint64(at, little) },
};
const [INT8, UINT8, UINT16, UTF8, UTF16] = [1, 2, 4, 16, 17];

/** The arrays of MATLAB's numeric classes, from double (class 6) to uint64 (class 15). */
const CLASSES = [
  Float64Array,
  Float32Array,
  Int8Array,
  Uint8Array,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Reads elements one after the other; every read stays inside the bytes or is an error that names the file. */
export class Mat5Elements {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, { littleEndian, name }: { littleEndian: boolean; name: string }) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = littleEndian;
    this.#name = name;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next element; those of up to four bytes may share eight bytes with type and length. */
  next(): Element {
    const at = this.#at;
    if (at + 8 > this.#bytes.length) throw this.#damaged("it is cut off");
    const word = this.#view.getUint32(at, this.#little);
    const small = word >>> 16;
    if (small > 0) {
      if (small > 4) throw this.#damaged(`a small element has ${small} bytes`);
      this.#at = at + 8;
      return { type: word & 0xffff, bytes: this.#bytes.subarray(at + 4, at + 4 + small) };
    }
    const length = this.#view.getUint32(at + 4, this.#little);
    const end = at + 8 + length;
    if (end > this.#bytes.length) throw this.#damaged("it is cut off");
    // Packed elements alone are not padded to eight bytes.
    this.#at = word === 15 ? end : at + 8 + Math.ceil(length / 8) * 8;
    return { type: word, bytes: this.#bytes.subarray(at + 8, end) };
  }

  /** The numbers of the next element. @param types the storage types it may have */
  numbers(what: string, types: readonly number[]): Int32Array {
    const { type, bytes } = this.next();
    if (!types.includes(type)) throw this.#damaged(`${what} are of type ${type}`);
    const stored = this.#read({ type, bytes });
    return Int32Array.from(stored, (_, i) => Number(stored.at(i)));
  }

  /** The `count` numbers of the next element, in whichever type they are stored, as an array of MATLAB's class `index` + 6. */
  numbersAs(index: number, count: number): NumberArray {
    const element = this.next();
    const { length, at } = this.#read(element);
    if (length !== count) throw this.#damaged(`a matrix has ${length} numbers where ${count} belong`);
    const array = new CLASSES[index]!(length);
    if (array instanceof Uint8Array && element.type === UINT8) array.set(element.bytes);
    else if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
      for (let i = 0; i < length; i++) array[i] = toBigInt(at(i));
    } else for (let i = 0; i < length; i++) array[i] = Number(at(i));
    return array;
  }

  /** The text of the next element. */
  text(what: string): string {
    const element = this.next();
    const { type, bytes } = element;
    if (type === INT8 || type === UINT8 || type === UTF8) return Buffer.from(bytes).toString("utf8");
    if (type === UINT16 || type === UTF16) {
      const codes = this.#read({ type: UINT16, bytes });
      return Array.from(codes, (_, i) => String.fromCharCode(Number(codes.at(i)))).join("");
    }
    throw this.#damaged(`${what} is of type ${type}`);
  }

  #read({ type, bytes }: Element): { length: number; at: (i: number) => number | bigint } {
    const stored = STORED[type];
    if (!stored) throw this.#damaged(`numbers are stored in the unknown type ${type}`);
    const { size, get } = stored;
    if (bytes.length % size !== 0) throw this.#damaged(`${bytes.length} bytes are no whole numbers of ${size}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { length: bytes.length / size, at: (i) => get(view, i * size, this.#little) };
  }

  #damaged(why: string): CsrmError {
    return new CsrmError(`cannot read ${this.#name} as a MAT-file: ${why}`, { code: "data" });
  }
}

/** Also of numbers that were stored as floating point. */
function toBigInt(value: number | bigint): bigint {
  return typeof value === "bigint" ? value : Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}
