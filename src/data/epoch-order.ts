/** The order in which an endless loader visits a data set: a permutation or a draw an epoch, and positions that run across epochs. */

import { Rng } from "./rng.ts";
import { systematicDraw } from "./sampler.ts";

/** A place in the endless sequence: `position` samples of `epoch` come before it. */
export interface EpochPosition {
  epoch: number;
  position: number;
}

export class EpochOrder {
  readonly count: number;
  readonly #seed: number | null;
  readonly #weights: Float64Array | null;
  readonly #orders = new Map<number, Uint32Array>();

  /**
   * @param seed names the permutations; null keeps the samples in their own order
   * @param weights how often each sample is drawn, relative to the others; null: each once an epoch
   */
  constructor(count: number, seed: number | null, weights: Float64Array | null = null) {
    this.count = count;
    this.#seed = seed;
    this.#weights = weights;
  }

  /** The place that lies `steps` samples further. */
  advance({ epoch, position }: EpochPosition, steps: number): EpochPosition {
    const total = position + steps;
    return { epoch: epoch + Math.floor(total / this.count), position: total % this.count };
  }

  /** The sample at a place; positions beyond the end begin again within the same epoch. */
  sampleAt({ epoch, position }: EpochPosition): number {
    return this.#orderOf(epoch)[position % this.count]!;
  }

  #orderOf(epoch: number): Uint32Array {
    const known = this.#orders.get(epoch);
    if (known) return known;
    const order = this.#drawn(epoch);
    // Batches prepared ahead straddle at most a few epochs of a small data set; older orders are made anew if needed.
    if (this.#orders.size >= 4) this.#orders.clear();
    this.#orders.set(epoch, order);
    return order;
  }

  #drawn(epoch: number): Uint32Array {
    const everyOne = () => Uint32Array.from({ length: this.count }, (_, index) => index);
    if (this.#seed === null) return everyOne();
    const rng = new Rng(this.#seed, "order", epoch);
    return rng.shuffle(this.#weights ? systematicDraw(this.#weights, this.count, rng.next()) : everyOne());
  }
}
