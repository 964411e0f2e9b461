/** A small deterministic random generator whose streams are named by numbers and strings and whose state is plain JSON. */

import { expected } from "../errors.ts";

/** The whole state of an Rng: four unsigned 32-bit numbers. */
export type RngState = [number, number, number, number];

/**
 * sfc32 (Chris Doty-Humphrey's small fast chaotic generator), seeded through a mix of all seed parts, so that
 * `new Rng(0, "flip", 7)` and `new Rng(0, "flip", 8)` are unrelated streams. Equal on every machine.
 */
export class Rng {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  /** @param seed numbers (any finite) and strings; their order and kind matter: 1 and "1" differ. */
  constructor(...seed: (number | string)[]) {
    const mix = new SeedMixer();
    for (const part of seed) mix.add(part);
    this.#a = mix.next();
    this.#b = mix.next();
    this.#c = mix.next();
    // The first outputs still show the seed; twelve rounds are what the generator's author discards.
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** The next 32 random bits as an unsigned number. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 53 bits, two draws. */
  next(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Uniform integer in [0, n), without bias; n from 1 to 2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) throw expected("an integer in 1..2^32", "Rng.int(n)", n);
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const draw = this.uint32();
      if (draw < limit) return draw % n;
    }
  }

  /** Uniform in [from, to). */
  range(from: number, to: number): number {
    return from + (to - from) * this.next();
  }

  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(list: T): T {
    const items: { [index: number]: unknown } = list;
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return list;
  }

  /** The state, to be kept as JSON. */
  state(): RngState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#counter >>> 0];
  }

  /** Continues exactly where `state()` was taken. */
  restore(state: readonly number[]): void {
    if (state.length !== 4 || !state.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)) {
      throw expected("four unsigned 32-bit numbers", "the random state", state);
    }
    this.#a = state[0]! | 0;
    this.#b = state[1]! | 0;
    this.#c = state[2]! | 0;
    this.#counter = state[3]! | 0;
  }
}

/** Folds seed parts into 32-bit words with the finaliser of MurmurHash3 and a Weyl sequence (the 32-bit splitmix). */
class SeedMixer {
  #state = 0x9e3779b9;

  add(part: number | string): void {
    if (typeof part === "string") {
      this.#absorb(0x73747200 ^ part.length);
      for (let i = 0; i < part.length; i++) this.#absorb(part.charCodeAt(i));
      return;
    }
    if (!Number.isFinite(part)) throw expected("a finite number", "a random seed", part);
    this.#absorb(0x6e756d00);
    const words = new DataView(new ArrayBuffer(8));
    words.setFloat64(0, part === 0 ? 0 : part);
    this.#absorb(words.getUint32(0));
    this.#absorb(words.getUint32(4));
  }

  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return finalise(this.#state);
  }

  #absorb(word: number): void {
    this.#state = (finalise(this.#state ^ word) + 0x9e3779b9) | 0;
  }
}

function finalise(word: number): number {
  let x = word | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) | 0;
}
