/** What runs that were written out in PyTorch share with ours: images by integer arithmetic, given draws, and sampled parameters. */
import { expect } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { fromTypedArray, type Tensor } from "../../src/torch/index.ts";
import { fillArray } from "../helpers/fill.ts";

/** Of every tensor its norm, then values at evenly spread places. */
export type Samples = Record<string, number[]>;

/** Draws that are read from a fill. */
export class GivenDraws extends Rng {
  readonly #values: number[];
  #at = 0;

  constructor(stream: string) {
    super();
    this.#values = uniform(stream, 10_000);
  }

  override next(): number {
    return this.#values[this.#at++]!;
  }

  override int(n: number): number {
    return Math.floor(this.next() * n);
  }
}

/** The fill in full precision: 32 bits do not fit a float32. */
function uniform(name: string, count: number): number[] {
  const high = fillArray(name, count);
  const rest = fillArray(name, count, 2 ** 24).map((each, i) => each - high[i]! * 2 ** 24);
  return Array.from(high, (each, i) => each + rest[i]! / 2 ** 24);
}

/** The same integer arithmetic as in the scripts. @returns pixels [B, size, size, 3] and images [B, 3, size, size], float64, −2..2 */
export function pictures(step: number, batch: number, size: number): { pixels: Tensor; images: Tensor } {
  const bytes = new Uint8Array(batch * size * size * 3);
  let at = 0;
  for (let b = 0; b < batch; b++) {
    const n = step * batch + b;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const block = Math.floor((x + 5 * n) / 16) * 5 + Math.floor((y + 3 * n) / 16) * 3 + n * 7;
        for (let c = 0; c < 3; c++) bytes[at++] = (block * 37 + c * 50 + ((x * y + 3 * x) % 23)) % 256;
      }
    }
  }
  const pixels = fromTypedArray(bytes, [batch, size, size, 3]);
  const images = pixels.to("float64").div(255).sub(0.5).permute([0, 3, 1, 2]).mul(4);
  return { pixels, images };
}

/** The tags of a step's images. @param rows a list that the steps go through in turns */
export function tagRows(rows: readonly number[][], step: number, batch: number): number[][] {
  return Array.from({ length: batch }, (_, i) => rows[(step + 2 * i) % rows.length]!);
}

/** Largest difference, relative to the largest value where that is above 1. */
export function difference(found: Map<string, Tensor>, wanted: Samples): number {
  let worst = 0;
  for (const [name, [norm, ...values]] of Object.entries(wanted)) {
    const flat = found.get(name)!.detach().to("float64").contiguous().toTypedArray() as Float64Array;
    const own = Math.hypot(...flat);
    const places = [
      ...new Set(values.map((_, i) => Math.round((i * (flat.length - 1)) / Math.max(values.length - 1, 1)))),
    ];
    expect(places, name).toHaveLength(values.length);
    const differences = places.map((place, i) => Math.abs(flat[place]! - values[i]!));
    worst = Math.max(worst, Math.abs(own - norm!) / Math.max(norm!, 1), ...differences);
  }
  return worst;
}
