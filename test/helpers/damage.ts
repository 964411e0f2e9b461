/** Damages files on purpose, to show that readers answer every damage with a named error and never with a crash. */

import { Rng } from "../../src/data/rng.ts";
import { CsrmError } from "../../src/errors.ts";

/**
 * Feeds a reader every prefix of a file (at most 200 of them) and `flips` copies with one to three bytes overwritten.
 * @returns how many inputs were refused with a CsrmError, and every other thing that was thrown
 */
export function readDamaged(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown, flips = 300) {
  const rng = new Rng("damage", bytes.length);
  const inputs: Uint8Array[] = [];
  const step = Math.max(1, Math.floor(bytes.length / 200));
  for (let length = 0; length < bytes.length; length += step) inputs.push(new Uint8Array(bytes.subarray(0, length)));
  for (let i = 0; i < flips; i++) {
    const copy = new Uint8Array(bytes);
    for (let n = rng.int(3); n >= 0; n--) copy[rng.int(copy.length)] = rng.int(256);
    inputs.push(copy);
  }
  let refused = 0;
  const crashes: unknown[] = [];
  for (const input of inputs) {
    try {
      read(input);
    } catch (error) {
      if (error instanceof CsrmError) refused++;
      else crashes.push(error);
    }
  }
  return { prefixes: inputs.length - flips, refused, crashes };
}
