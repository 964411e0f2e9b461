/** How often each image is drawn: evenly, or the rarer its classes are the more often. */
import type { Sample } from "./types.ts";

export const SAMPLERS = ["shuffle", "balanced_sample", "balanced_class"] as const;
export type Sampler = (typeof SAMPLERS)[number];

/** No image is drawn more than this many times as often as one of the most frequent class (balanced_class). */
const MOST_OFTEN = 10;

/**
 * The weights by which images are drawn. Images without tags weigh as much as tagged ones on average.
 * - balanced_sample: the product over all classes of n / (2 · number of images that agree with this one about the
 *   class), scikit-learn's "balanced" weights of multi-label data.
 * - balanced_class: the largest of (images with the most frequent class) / (images with the class) over the image's
 *   own classes, at most 10; 1 for an image that shows none.
 * @returns one positive weight a sample; null: every image once an epoch
 */
export function samplingWeights(samples: readonly Sample[], sampler: Sampler): Float64Array | null {
  if (sampler === "shuffle") return null;
  const tagged = samples.flatMap(({ tags }) => (tags ? [tags] : []));
  const counts = Array.from(tagged[0] ?? [], (_, k) => tagged.reduce((sum, tags) => sum + tags[k]!, 0));
  const most = Math.max(...counts);
  const product = (tags: Uint8Array) =>
    counts.reduce((weight, count, k) => (weight * tagged.length) / (2 * (tags[k] ? count : tagged.length - count)), 1);
  const rarest = (tags: Uint8Array) =>
    Math.max(1, ...counts.map((count, k) => (tags[k] ? Math.min(most / count, MOST_OFTEN) : 1)));
  const weights = tagged.map(sampler === "balanced_sample" ? product : rarest);
  // The products are tiny where classes are many: without tags an image weighs as a tagged one does on average.
  const untagged = weights.reduce((sum, weight) => sum + weight, 0) / Math.max(1, weights.length) || 1;
  const next = weights[Symbol.iterator]();
  return Float64Array.from(samples, ({ tags }) => (tags ? next.next().value! : untagged));
}

/**
 * `count` samples in ascending order, each as often as its share of the weights says, rounded up or down by chance.
 * @param weights positive, one a sample
 * @param offset where the rounding falls, uniform in [0, 1)
 */
export function systematicDraw(weights: Float64Array, count: number, offset: number): Uint32Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const drawn = new Uint32Array(count);
  let sample = 0;
  let reached = weights[0]!;
  for (let i = 0; i < count; i++) {
    const wanted = ((i + offset) * total) / count;
    // Rounding may leave the last sum a hair below the total.
    while (reached <= wanted && sample < weights.length - 1) reached += weights[++sample]!;
    drawn[i] = sample;
  }
  return drawn;
}
