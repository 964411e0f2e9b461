/** A bounds-checked reader over the bytes of a pickle: fixed-size numbers, counted pieces, text lines. */

import { CsrmError } from "../errors.ts";

const MAX_LONG = 2048;

export class PickleCursor {
  readonly name: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  /** @param name the file's name, for messages */
  constructor(bytes: Uint8Array, name: string) {
    this.name = name;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes there are. */
  get length(): number {
    return this.#bytes.length;
  }

  /** How many bytes have been read. */
  get position(): number {
    return this.#at;
  }

  fail(why: string): CsrmError {
    return new CsrmError(`cannot read the pickle in ${this.name}: ${why} (byte ${this.#at})`, { code: "data" });
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** An unsigned 64-bit length; lengths beyond the file are refused by whoever takes that many bytes. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  float64(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A view of the next bytes, not a copy. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  utf8(length: number): string {
    try {
      // Python's surrogatepass texts are not UTF-8 and hold no label: refuse them as damage.
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(length));
    } catch (error) {
      if (error instanceof CsrmError) throw error;
      throw this.fail("a text is not valid UTF-8");
    }
  }

  latin1(length: number): string {
    return Buffer.from(this.take(length)).toString("latin1");
  }

  /** Text up to the next line feed, which is consumed. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.fail("it is cut off");
    const text = this.latin1(end - this.#at);
    this.#at++;
    return text;
  }

  /** A little-endian two's-complement integer of any length. */
  long(length: number): number | bigint {
    // Building one takes the square of its length, and no weight or label needs thousands of digits.
    if (length > MAX_LONG) throw this.fail(`a whole number of ${length} bytes is too long`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(BigInt.asIntN(Math.max(1, length * 8), value));
  }

  #advance(length: number): number {
    const start = this.#at;
    if (start + length > this.#bytes.length) throw this.fail("it is cut off");
    this.#at += length;
    return start;
  }
}

/** An integer as a number where that is exact, else as a bigint. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
