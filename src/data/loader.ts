/** Endless batches of augmented training pictures, decoded ahead of the step, the same whatever the machine's load. */

import { setImmediate as nextTurn } from "node:timers/promises";
import { CsrmError, expected, messageOf } from "../errors.ts";
import { type Augment, augmentDefaults, drawAugmentation, planImage, writePixels } from "./augment.ts";
import { EpochOrder, type EpochPosition } from "./epoch-order.ts";
import { decodeImage } from "./image.ts";
import { drawPair, loadPair, type PairOptions } from "./pairs.ts";
import { recolour } from "./recolour.ts";
import { Rng } from "./rng.ts";
import { type Sampler, samplingWeights } from "./sampler.ts";
import type { Batch, Dataset, Sample } from "./types.ts";

export interface LoaderOptions {
  batchSize: number;
  /** Height and width of every picture in pixels. */
  size: readonly [number, number];
  augment?: Partial<Augment>;
  /** Gives pictures together with label maps, cut as these options say instead of as `augment` says. */
  pairs?: PairOptions;
  seed?: number;
  /** Batches prepared ahead at the same time, by Node's thread pool (as wide as UV_THREADPOOL_SIZE); 0: only when asked. */
  workers?: number;
  /** A new order every epoch; false: the data set's order. */
  shuffle?: boolean;
  /** How often a shuffled loader draws each picture (default: each once an epoch). */
  sampler?: Sampler;
  /** Turns pictures by their EXIF orientation. */
  autoOrient?: boolean;
  /** Of several processes that share the batches: which this one is. It gets the rank-th of `size` equal parts of each. */
  share?: { rank: number; size: number };
  /** "skip": the next picture that can be read takes the place of one that cannot, and `skipped` tells of it. */
  onBadImage?: "error" | "skip";
}

const DEFAULTS = {
  seed: 0,
  workers: 2,
  shuffle: true,
  sampler: "shuffle",
  autoOrient: true,
  share: { rank: 0, size: 1 },
  onBadImage: "error",
} as const satisfies Partial<LoaderOptions>;
// So many unreadable pictures in a row are no accident but a wrong folder.
const MAX_SKIPS_IN_A_ROW = 100;

/** A picture's place in a batch. */
interface Slot {
  pixels: Uint8Array;
  labels: Uint8Array | undefined;
}

interface Prepared {
  batch: Batch;
  /** The state after this batch. */
  after: EpochPosition;
  skipped: Map<string, string>;
}

/**
 * Epochs follow each other without a gap: a batch at the end of one is filled from the next, so every picture is used once
 * an epoch, or as often as the sampler says. Every draw depends on seed, epoch and position alone, so that the parts of several
 * processes are together the batch that one would have. Masks are never opened.
 */
export class Loader {
  /** Files that could not be read and were replaced so far (onBadImage "skip"), with the reason. */
  readonly skipped = new Map<string, string>();
  readonly #dataset: Dataset;
  readonly #options: Required<Omit<LoaderOptions, "augment" | "pairs">>;
  readonly #pairs: PairOptions | undefined;
  readonly #augment: Augment;
  readonly #order: EpochOrder;
  #state: EpochPosition = { epoch: 0, position: 0 };
  #queue: Promise<Prepared>[] = [];
  /** Where the next batch to be prepared begins. */
  #ahead: EpochPosition = { epoch: 0, position: 0 };
  #busy = false;
  readonly #running = new Set<Promise<Prepared>>();

  /** @throws CsrmError when the data set is empty or an option is out of its range */
  constructor(dataset: Dataset, options: LoaderOptions) {
    this.#dataset = dataset;
    this.#options = { ...DEFAULTS, ...options };
    this.#pairs = options.pairs;
    this.#augment = { ...augmentDefaults, ...options.augment };
    checkOptions(dataset, this.#options, this.#augment);
    const { seed, shuffle, sampler } = this.#options;
    const weights = samplingWeights(dataset.samples, sampler);
    this.#order = new EpochOrder(dataset.samples.length, shuffle ? seed : null, weights);
  }

  /**
   * The next batch; one call at a time.
   * @throws CsrmError naming the image that cannot be read; the loader then still stands before that batch
   */
  async next(): Promise<Batch> {
    if (this.#busy)
      throw new CsrmError("Loader.next() was called while an earlier call was under way", { code: "data" });
    this.#busy = true;
    try {
      this.#prepareAhead(Math.max(1, this.#options.workers));
      // A step that computes for seconds holds up the event loop. Two turns let finished jobs report and start those that
      // follow them, even when this batch has long been ready.
      await nextTurn();
      await nextTurn();
      const { batch, after, skipped } = await this.#queue[0]!;
      this.#queue.shift();
      this.#state = after;
      for (const [file, reason] of skipped) this.skipped.set(file, reason);
      this.#prepareAhead(this.#options.workers);
      return batch;
    } catch (error) {
      this.#restart(this.#state);
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /** The state after the last batch that next() returned, as plain JSON. */
  state(): EpochPosition {
    return { ...this.#state };
  }

  /** Continues where `state()` was taken from a loader of the same data set, seed and options. */
  restore(state: EpochPosition): void {
    const { epoch, position } = state;
    const count = this.#order.count;
    if (!(Number.isInteger(epoch) && epoch >= 0 && Number.isInteger(position) && position >= 0 && position < count)) {
      throw expected(
        `an epoch and a position below ${count}`,
        "the loader's state",
        state,
        "is the data set the same?",
      );
    }
    this.#restart({ epoch, position });
  }

  /** Drops what was prepared and waits for the jobs that still run. */
  async close(): Promise<void> {
    this.#restart(this.#state);
    await Promise.allSettled(this.#running);
  }

  #restart(state: EpochPosition): void {
    this.#queue = [];
    this.#state = state;
    this.#ahead = state;
  }

  #prepareAhead(batches: number): void {
    while (this.#queue.length < batches) {
      const prepared = this.#prepare(this.#ahead);
      this.#ahead = this.#order.advance(this.#ahead, this.#options.batchSize);
      this.#queue.push(prepared);
      this.#running.add(prepared);
      const forget = () => void this.#running.delete(prepared);
      // A failure is thrown by the call of next() that reaches the batch; until then it must not end the process.
      prepared.then(forget, forget);
    }
  }

  async #prepare(start: EpochPosition): Promise<Prepared> {
    const { batchSize, size, share } = this.#options;
    const [height, width] = size;
    const own = batchSize / share.size;
    const tagCount = this.#dataset.classes.ids.length - 1;
    const bytes = height * width * 3;
    const batch: Batch = {
      ids: new Array<string>(own),
      images: new Uint8Array(own * bytes),
      tags: new Float32Array(own * tagCount),
      ...(this.#pairs ? { labels: new Uint8Array(own * height * width) } : {}),
      height,
      width,
    };
    const skipped = new Map<string, string>();
    const fill = async (slot: number) => {
      const target = {
        pixels: batch.images.subarray(slot * bytes, (slot + 1) * bytes),
        labels: batch.labels?.subarray(slot * height * width, (slot + 1) * height * width),
      };
      const sample = await this.#loadInto(target, this.#order.advance(start, share.rank * own + slot), skipped);
      batch.ids[slot] = sample.id;
      if (sample.tags) batch.tags.set(sample.tags, slot * tagCount);
    };
    await Promise.all(Array.from({ length: own }, (_, slot) => fill(slot)));
    return { batch, after: this.#order.advance(start, batchSize), skipped };
  }

  /** Puts the picture at `place` of the order into the batch, or the nearest one after it that can be read. */
  async #loadInto(target: Slot, place: EpochPosition, skipped: Map<string, string>): Promise<Sample> {
    const { seed, onBadImage } = this.#options;
    const { epoch, position } = place;
    const load = this.#pairs
      ? this.#pairLoad(target, this.#pairs, new Rng(seed, "pair", epoch, position))
      : this.#pictureLoad(target, new Rng(seed, "augment", epoch, position));
    const attempts = Math.min(this.#order.count, MAX_SKIPS_IN_A_ROW);
    for (let attempt = 0; ; attempt++) {
      const sample = this.#dataset.samples[this.#order.sampleAt({ epoch, position: position + attempt })]!;
      try {
        await load(sample);
        return sample;
      } catch (error) {
        // A label map that is missing or does not fit is no accident of one picture.
        const itsOwn = !this.#pairs || (error instanceof CsrmError && error.code === "image");
        if (onBadImage === "error" || !itsOwn) throw error;
        skipped.set(sample.image, messageOf(error));
        if (attempt + 1 < attempts) continue;
        const message = `${attempts} images in a row cannot be read, the last: ${messageOf(error)}`;
        throw new CsrmError(message, { code: "image", cause: error });
      }
    }
  }

  #pictureLoad({ pixels }: Slot, rng: Rng): (sample: Sample) => Promise<void> {
    const [height, width] = this.#options.size;
    const { autoOrient } = this.#options;
    const draws = drawAugmentation(rng, this.#augment);
    const plan = planImage({ height, width, crop: this.#augment.crop, draws });
    return async (sample) => {
      const image = await decodeImage(sample.image, { autoOrient, plan });
      writePixels(image, pixels, { height, width, flip: draws.flip });
      await recolour(pixels, { height, width, draws });
    };
  }

  #pairLoad({ pixels, labels }: Slot, options: PairOptions, rng: Rng): (sample: Sample) => Promise<void> {
    const [height, width] = this.#options.size;
    const draws = drawPair(rng, options);
    return async (sample) =>
      loadPair(
        sample.image,
        await options.labels(sample.id),
        { pixels, labels: labels!, height, width },
        { draws, options },
      );
  }
}

function checkOptions(
  dataset: Dataset,
  options: Required<Omit<LoaderOptions, "augment" | "pairs">>,
  augment: Augment,
): void {
  const { batchSize, size, workers, share } = options;
  const { crop, scale, flip, jitter, blur } = augment;
  if (dataset.samples.length === 0) throw expected("at least one image", `the data set ${dataset.name}`, "none");
  if (!Number.isInteger(batchSize) || batchSize < 1) throw expected("an integer of at least 1", "batchSize", batchSize);
  if (batchSize % share.size !== 0) throw expected(`a multiple of the ${share.size} processes`, "the batch", batchSize);
  if (!size.every((side) => Number.isInteger(side) && side > 0)) throw expected("two whole numbers", "size", size);
  if (!Number.isInteger(workers) || workers < 0) throw expected("an integer of at least 0", "workers", workers);
  if (crop !== "resize" && crop !== "scale_crop") throw expected('"resize" or "scale_crop"', "crop", crop);
  if (!(scale[0] > 0 && scale[0] <= scale[1])) throw expected("two factors, the smaller first,", "scale", scale);
  for (const [name, chance] of Object.entries({ flip, jitter: jitter.probability, blur: blur.probability })) {
    if (!(chance >= 0 && chance <= 1)) throw expected("a probability in 0..1", name, chance);
  }
  if (!(jitter.hue >= 0 && jitter.hue <= 0.5)) throw expected("a fraction of the circle in 0..0.5", "hue", jitter.hue);
  for (const kind of ["brightness", "contrast", "saturation"] as const) {
    if (!(jitter[kind] >= 0 && jitter[kind] <= 1)) throw expected("a number in 0..1", kind, jitter[kind]);
  }
  const [least, most] = blur.radius;
  if (!(least >= 0 && least <= most)) throw expected("two radii, the smaller first,", "blur", blur.radius);
}
