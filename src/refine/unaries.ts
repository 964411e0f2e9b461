/** Unary energies, −log p, for the dense CRF: from hard labels or from probabilities. */
import { expected } from "../errors.ts";
import { arange, full, scope, type Tensor, where } from "../torch/index.ts";

export interface LabelUnaryOptions {
  /** How many labels there are, n; every label is in 0…n−1. */
  labelCount: number;
  /** Probability of the given label, between 0 and 1; the others share the rest. Default 0.7. */
  gtProb?: number;
}

/**
 * Energies of a hard labeling: −ln(gtProb) for the given label, −ln((1 − gtProb) / (n − 1)) for the others.
 * @param labels [..., H, W], whole numbers in 0…n−1
 * @returns [..., n, H, W], float32
 */
export function unaryFromLabels(labels: Tensor, { labelCount, gtProb = 0.7 }: LabelUnaryOptions): Tensor {
  if (!(Number.isInteger(labelCount) && labelCount >= 1))
    throw expected("a whole number above 0", "labelCount", labelCount);
  if (!(gtProb > 0 && gtProb < 1)) throw expected("a number between 0 and 1", "gtProb", gtProb);
  if (labels.ndim < 2) throw expected("[..., H, W]", "labels", labels.shape);
  return scope(() => {
    const options = { device: labels.device };
    if (labels.numel > 0) {
      const range = [labels.min().item(), labels.max().item()];
      if (range[0]! < 0 || range[1]! >= labelCount) throw expected(`0…${labelCount - 1}`, "the range of labels", range);
    }
    const own = full([], -Math.log(gtProb), options);
    const other = full([], -Math.log((1 - gtProb) / Math.max(1, labelCount - 1)), options);
    const index = arange(0, labelCount, options).reshape([labelCount, 1, 1]);
    return where(labels.unsqueeze(-3).eq(index), own, other);
  });
}

export interface SoftmaxUnaryOptions {
  /** Mixes p with the uniform distribution first: scale·p + (1 − scale)/n. Default 1: p as it is. */
  scale?: number;
  /** Probabilities below this count as this, so that energies stay finite. Default 1e-5. */
  clip?: number;
}

/**
 * Energies of probabilities.
 * @param probabilities [..., n, H, W], in 0…1
 * @returns the same shape
 */
export function unaryFromSoftmax(probabilities: Tensor, { scale = 1, clip = 1e-5 }: SoftmaxUnaryOptions = {}): Tensor {
  if (!(scale > 0 && scale <= 1)) throw expected("a number above 0 and at most 1", "scale", scale);
  if (!(clip > 0 && clip < 1)) throw expected("a number between 0 and 1", "clip", clip);
  if (probabilities.ndim < 3) throw expected("[..., n, H, W]", "probabilities", probabilities.shape);
  return scope(() => {
    const p = scale === 1 ? probabilities : probabilities.mul(scale).add((1 - scale) / probabilities.size(-3));
    return p.clamp(clip, 1).log().neg();
  });
}
