/** Paper Eq. 10–11: entropy of the teacher's predictions and its quantiles, which split pixels into reliable and unreliable ones. */

import { cat, op, processes, scope, type Tensor, zerosLike } from "../torch/index.ts";

const kthvalue = op("aten::kthvalue");

/** H = −Σ p·log(p + 1e-10) over dimension 1, in nats. @param probabilities [B, K, …] summing to 1 @returns [B, …] */
export function entropy(probabilities: Tensor): Tensor {
  return scope(() => probabilities.mul(probabilities.add(1e-10).log()).sum(1).neg());
}

/**
 * The q-quantile of all values with linear interpolation, by selection instead of sorting; unlike aten::quantile it has no limit of 16 million values.
 * @param values any shape, at least one value
 * @param q 0..1
 * @returns a scalar tensor
 */
export function quantile(values: Tensor, q: number): Tensor {
  return scope(() => {
    const flat = values.flatten();
    const position = q * (flat.numel - 1);
    const below = Math.floor(position);
    const [lower, upper] = smallest(flat, position === below ? [below] : [below, below + 1]);
    return upper ? lower!.add(upper.sub(lower!).mul(position - below)) : lower!;
  });
}

/** The values of all processes in one dimension, in no particular shape: what a quantile of the whole batch is taken of. */
export function ofAll(values: Tensor): Tensor {
  const group = processes();
  return group.size === 1 ? values : scope(() => cat(group.gather(values.flatten())));
}

export interface EntropySplit {
  /** bool, entropy strictly below its α-quantile. */
  low: Tensor;
  /** bool, entropy strictly above its (1 − α)-quantile. */
  high: Tensor;
}

/**
 * The reliable and the unreliable end of a set of pixels, by quantiles over the pixels of all processes. Constant entropy puts no pixel in either.
 * @param values [B, h, w] entropies
 * @param alpha α_t, 0..1
 * @param valid [B, h, w] bool: pixels that enter the quantiles and the masks; all if left out
 */
export function entropySplit(values: Tensor, alpha: number, valid?: Tensor): EntropySplit {
  return scope(() => {
    const pool = ofAll(valid ? values.maskedSelect(valid) : values);
    if (pool.numel === 0) {
      const none = zerosLike(values).to("bool");
      return { low: none, high: none.clone() };
    }
    const low = values.lt(quantile(pool, alpha));
    const high = values.gt(quantile(pool, 1 - alpha));
    return valid ? { low: low.logicalAnd(valid), high: high.logicalAnd(valid) } : { low, high };
  });
}

/** Values by their place in ascending order, 0 for the smallest. */
function smallest(flat: Tensor, places: readonly number[]): Tensor[] {
  if (flat.device === "cpu") return places.map((place) => (kthvalue(flat, place + 1) as [Tensor, Tensor])[0]);
  // A GPU sorts millions of values faster than its selection, which is one block's work, finds one of them.
  const [sorted] = flat.sort(0);
  return places.map((place) => sorted.select(0, place));
}
