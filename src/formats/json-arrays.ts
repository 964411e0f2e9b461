/** Reads the objects in the arrays of a large JSON file one at a time, so that its size does not matter; also where each one lies. */

import { CsrmError } from "../errors.ts";

/** One object of an array `{"<key>": [{…}, …]}`, as the text it is. */
export interface JsonItem {
  key: string;
  /** Where its first byte lies in the file. */
  offset: number;
  bytes: Uint8Array;
}

export interface JsonArraysOptions {
  /** The file's name, for messages. */
  name: string;
  /** Keys of the arrays whose objects are wanted; everything else is stepped over. */
  keys: readonly string[];
  /** The largest object that is accepted, in bytes (default 64 MiB). */
  maxItemBytes?: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
/** Marks the bytes that make up structure; outside of strings the others are for the parser of an object to see. */
const STRUCTURE = new Uint8Array(256);
for (const byte of [QUOTE, COLON, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT]) STRUCTURE[byte!] = 1;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
const MAX_KEY = 1000;

/**
 * Takes a file piece by piece and gives back the objects that end in each piece. Structure is followed by brackets and
 * quotes alone: an object is to be parsed (and thereby checked) by whoever gets it.
 */
export class JsonArrays {
  /** Keys of wanted arrays that were read to their end. */
  readonly complete = new Set<string>();
  readonly #name: string;
  readonly #keys: ReadonlySet<string>;
  readonly #maxItemBytes: number;
  #offset = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #ended = false;
  /** The last string at the top level, which is a key when a colon follows. */
  #text: number[] = [];
  #key = "";
  /** The wanted array that is being read. */
  #array: string | null = null;
  #item: { offset: number; pieces: Uint8Array[]; size: number } | null = null;

  constructor({ name, keys, maxItemBytes = 2 ** 26 }: JsonArraysOptions) {
    this.#name = name;
    this.#keys = new Set(keys);
    this.#maxItemBytes = maxItemBytes;
  }

  /** @throws CsrmError (code "data") naming the file when it is no JSON object, or a wanted array holds other things than objects */
  *push(chunk: Uint8Array): Generator<JsonItem> {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.#inString) {
        this.#stringByte(byte);
        continue;
      }
      if (this.#depth <= 2 && byte > 0x20) this.#outside(byte, this.#offset + i);
      if (STRUCTURE[byte] === 0) continue;
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (this.#open(byte, this.#offset + i)) start = i;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        this.#depth--;
        if (this.#depth === 2 && this.#item) yield this.#close(chunk.subarray(start, i + 1));
        else if (this.#depth === 1 && this.#array !== null) {
          this.complete.add(this.#array);
          this.#array = null;
        } else if (this.#depth === 0) this.#ended = true;
      } else if (byte === QUOTE) {
        this.#inString = true;
        if (this.#depth === 1) this.#text = [];
      } else if (byte === COLON && this.#depth === 1) this.#key = Buffer.from(this.#text).toString("utf8");
    }
    if (this.#item) this.#keep(chunk.subarray(start));
    this.#offset += chunk.length;
  }

  /** To be called behind the last piece. @throws CsrmError when the file is cut off, or lacks a wanted array */
  end(): void {
    if (this.#offset === 0) throw this.#damaged("it is empty");
    if (!this.#ended) throw this.#damaged(`it is cut off after ${this.#offset} bytes`);
    for (const key of this.#keys) if (!this.complete.has(key)) throw this.#damaged(`it has no array "${key}"`);
  }

  #stringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) {
      this.#inString = false;
      return;
    }
    if (this.#depth === 1 && this.#text.length < MAX_KEY) this.#text.push(byte);
  }

  /** Refuses what may not stand around a wanted object. */
  #outside(byte: number, at: number): void {
    if (this.#depth === 0 && (byte !== OPEN_OBJECT || this.#ended) && !(at < 3 && BYTE_ORDER_MARK[at] === byte)) {
      throw this.#damaged("it is no JSON object");
    }
    if (this.#depth !== 2 || this.#array === null) return;
    if (byte !== OPEN_OBJECT && byte !== COMMA && byte !== CLOSE_ARRAY) {
      throw this.#damaged(`the array "${this.#array}" holds other things than objects`);
    }
  }

  /** @returns whether a wanted object begins here */
  #open(byte: number, at: number): boolean {
    const depth = this.#depth++;
    if (depth === 1 && byte === OPEN_ARRAY && this.#keys.has(this.#key)) this.#array = this.#key;
    if (depth !== 2 || this.#array === null) return false;
    this.#item = { offset: at, pieces: [], size: 0 };
    return true;
  }

  #keep(piece: Uint8Array): void {
    const item = this.#item!;
    item.size += piece.length;
    if (item.size > this.#maxItemBytes) {
      throw this.#damaged(`an object in "${this.#array}" is larger than ${this.#maxItemBytes} bytes`);
    }
    item.pieces.push(piece);
  }

  #close(piece: Uint8Array): JsonItem {
    this.#keep(piece);
    const { offset, pieces } = this.#item!;
    this.#item = null;
    return { key: this.#array!, offset, bytes: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) };
  }

  #damaged(why: string): CsrmError {
    return new CsrmError(`cannot read ${this.#name} as JSON: ${why}`, { code: "data" });
  }
}
