/** The Python objects that pickled NumPy arrays and scalars refer to, and dictionaries of them. */

import {
  arrayFromBytes,
  elementCount,
  type NumpyData,
  type NumpyDtype,
  parseDescriptor,
  toCOrder,
} from "./numpy-array.ts";
import { type PickleGlobal, PickleObject } from "./pickle-machine.ts";

/** A pickled array. `data` is a list of values for dtype "object"; see NumpyArray for the others. */
export class PickledArray extends PickleObject {
  dtype: NumpyDtype | "object" = "uint8";
  shape: number[] = [0];
  data: NumpyData | unknown[] = new Uint8Array(0);

  /** The state is (version, shape, dtype, Fortran order, bytes or list of objects); the version may be absent. */
  setState(state: unknown): void {
    if (!Array.isArray(state) || state.length < 4) throw new Error("an array has no proper state");
    const [shape, dtype, fortranOrder, content] = state.slice(-4) as unknown[];
    if (!Array.isArray(shape) || Number.isNaN(elementCount(shape as number[])))
      throw new Error("an array has no shape");
    if (!(dtype instanceof PickledDtype)) throw new Error("an array has no element type");
    const sides = shape as number[];
    this.dtype = dtype.dtype;
    this.shape = sides;
    if (dtype.dtype === "object") {
      if (!Array.isArray(content) || content.length !== elementCount(sides)) throw new Error("an array lacks elements");
      this.data = fortranOrder ? toCOrder(content, sides) : content;
      return;
    }
    const { littleEndian } = dtype;
    const layout = { dtype: dtype.dtype, littleEndian, shape: sides, fortranOrder: fortranOrder === true };
    const array = arrayFromBytes(bytesOf(content), layout);
    if (!array) throw new Error("an array's bytes do not fit its shape");
    this.data = array.data;
  }
}

class PickledDtype extends PickleObject {
  readonly dtype: NumpyDtype | "object";
  littleEndian = true;

  constructor(text: unknown) {
    super();
    const descriptor = typeof text === "string" ? parseDescriptor(text) : null;
    if (!descriptor) throw new Error(`the element type ${JSON.stringify(text)} is not supported`);
    this.dtype = descriptor.dtype;
    this.littleEndian = descriptor.littleEndian;
  }

  /** The state is (version, byte order, …) with further parts only for records and dates. */
  setState(state: unknown): void {
    if (!Array.isArray(state) || typeof state[1] !== "string") throw new Error("an element type has no proper state");
    this.littleEndian = state[1] !== ">";
  }
}

// In Python 2 pickles bytes are strings with one character per byte.
function bytesOf(content: unknown): Uint8Array {
  if (content instanceof Uint8Array) return content;
  if (typeof content === "string") return Buffer.from(content, "latin1");
  throw new Error("an array has no bytes");
}

const reconstruct: PickleGlobal = { call: () => new PickledArray() };

const scalar: PickleGlobal = {
  call([dtype, content]) {
    if (!(dtype instanceof PickledDtype) || dtype.dtype === "object") throw new Error("a scalar has no element type");
    const { littleEndian } = dtype;
    const layout = { dtype: dtype.dtype, littleEndian, shape: [], fortranOrder: false };
    const value = arrayFromBytes(bytesOf(content), layout)?.data[0];
    if (value === undefined) throw new Error("a scalar's bytes do not fit its type");
    return dtype.dtype === "bool" ? value === 1 : value;
  },
};

// Protocols below 3 have no bytes: they are written as a text to be encoded, the empty one as a call of bytes().
const encode: PickleGlobal = {
  call([text, encoding]) {
    if (typeof text !== "string" || encoding !== "latin1") throw new Error("only latin1 bytes are read");
    return new Uint8Array(Buffer.from(text, "latin1"));
  },
};

const emptyBytes: PickleGlobal = {
  call(args) {
    if (args.length > 0) throw new Error("only empty bytes are read");
    return new Uint8Array(0);
  },
};

const orderedDict: PickleGlobal = {
  call(args) {
    if (args.length === 0) return new Map();
    // Python 2 hands over a list of [key, value] pairs.
    const [pairs] = args;
    const entries = Array.isArray(pairs) ? pairs.filter((pair) => Array.isArray(pair) && pair.length === 2) : [];
    if (!Array.isArray(pairs) || entries.length !== pairs.length) throw new Error("its entries are malformed");
    return new Map(entries);
  },
};

const set: PickleGlobal = {
  call([items]) {
    if (items !== undefined && !Array.isArray(items)) throw new Error("its elements are malformed");
    return new Set(items);
  },
};

/** The allow-list for data files: NumPy arrays, scalars and element types under their old and new module names. */
export const NUMPY_GLOBALS: Readonly<Record<string, PickleGlobal>> = {
  "numpy.ndarray": {},
  "numpy.dtype": { call: ([text]) => new PickledDtype(text) },
  "numpy.core.multiarray._reconstruct": reconstruct,
  "numpy._core.multiarray._reconstruct": reconstruct,
  "numpy.core.multiarray.scalar": scalar,
  "numpy._core.multiarray.scalar": scalar,
  "_codecs.encode": encode,
  "__builtin__.bytes": emptyBytes,
  "builtins.bytes": emptyBytes,
  "__builtin__.set": set,
  "builtins.set": set,
  "collections.OrderedDict": orderedDict,
};
