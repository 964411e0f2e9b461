/** Which pixels play which part in paper Eq. 13 (section 3.2.5): anchors, queries, positives and negative keys of every class. */

import { arange, cat, noGrad, scope, type Tensor, zerosLike } from "../torch/index.ts";
import { entropy, entropySplit } from "./entropy.ts";
import { allowedClasses, VOID } from "./functional.ts";

export interface ContrastPixels {
  /** [B, K, h, w]: the teacher's noisy pass over the mixed images. */
  probabilities: Tensor;
  /** [B, h, w], 0..K−1 or 255: pseudo-labels of the labelled half, the teacher's classes in the other. */
  labels: Tensor;
  /** [B, K − 1], 1 or 0 after mixing; a row of −1 for an image without tags. */
  tags: Tensor;
  /** The first this many images are the labelled half. */
  labelled: number;
}

export interface ContrastRules {
  /** α_t: the fraction of pixels at either end of the entropies that is reliable or unreliable. 0..1. */
  alpha: number;
  /** γ_l: rank 1..γ_l (1 = most probable) counts as a top rank. */
  lowRank: number;
  /** γ_h: ranks between γ_l and γ_h are the window of negatives that needs no tags; γ_h itself is outside in the paper, inside for the authors. */
  highRank: number;
  /** A query's class must be more probable than this to the teacher. */
  queryConfidence: number;
  /** The same for the pixels behind a positive; 0 = no test, as in the authors' code. */
  positiveConfidence: number;
  /** A negative's class must be less probable than this; 1 = no test. */
  negativeMaxConfidence: number;
  /**
   * true: the paper's text. Entropies of both halves are split together, top ranks count where the tags rule the class out.
   * false: the authors' code. Only the unlabelled half is split; every labelled pixel is reliable and unreliable at once, and is a
   * negative of the classes in its top ranks other than its own.
   */
  labelledEntropySplit: boolean;
}

/** All bool. */
export interface ContrastMasks {
  /** [B, h, w] */
  low: Tensor;
  /** [B, h, w] */
  high: Tensor;
  /** [B, K, h, w]: reliable pixels of the class. */
  anchors: Tensor;
  /** Anchors that queries may be drawn from. */
  queries: Tensor;
  /** Anchors whose mean is the positive. */
  positives: Tensor;
  /** Pixels whose representation becomes a negative key of the class. */
  negatives: Tensor;
}

export function contrastMasks(pixels: ContrastPixels, rules: ContrastRules): ContrastMasks {
  return noGrad(() =>
    scope(() => {
      const { probabilities, labels } = pixels;
      const classes = probabilities.shape[1]!;
      const classIds = arange(0, classes, { dtype: labels.dtype, device: labels.device }).reshape([1, classes, 1, 1]);
      const ofClass = labels.unsqueeze(1).eq(classIds); // [B, K, h, w]
      const { low, high } = splitHalves(pixels, rules);
      const anchors = ofClass.logicalAnd(low.unsqueeze(1));
      const confident = (least: number) => (least > 0 ? anchors.logicalAnd(probabilities.gt(least)) : anchors.clone());
      return {
        low,
        high,
        anchors,
        queries: confident(rules.queryConfidence),
        positives: confident(rules.positiveConfidence),
        negatives: negatives(pixels, rules, ofClass).logicalAnd(high.unsqueeze(1)),
      };
    }),
  );
}

function splitHalves({ probabilities, labels, labelled }: ContrastPixels, rules: ContrastRules) {
  const known = labels.ne(VOID);
  const entropies = entropy(probabilities);
  if (rules.labelledEntropySplit) return entropySplit(entropies, rules.alpha, known);
  const rest = labels.shape[0]! - labelled;
  const split = entropySplit(entropies.narrow(0, labelled, rest), rules.alpha, known.narrow(0, labelled, rest));
  const knownLabelled = known.narrow(0, 0, labelled);
  return { low: cat([knownLabelled, split.low], 0), high: cat([knownLabelled, split.high], 0) };
}

/** Negatives by rank, tags and confidence, before the entropy test: [B, K, h, w]. */
function negatives({ probabilities, tags, labelled }: ContrastPixels, rules: ContrastRules, ofClass: Tensor): Tensor {
  const [images, classes] = probabilities.shape as [number, number, number, number];
  const { lowRank, labelledEntropySplit } = rules;
  const lastRank = Math.min(labelledEntropySplit ? rules.highRank - 1 : rules.highRank, classes);
  const [, ranked] = probabilities.topk(Math.min(Math.max(lowRank, lastRank), classes), 1); // [B, R, h, w]
  const amongRanks = (from: number, to: number) => {
    const none = zerosLike(ofClass);
    const end = Math.min(to, ranked.shape[1]!);
    return from < end ? none.scatter(1, ranked.narrow(1, from, end - from), 1) : none;
  };
  const top = amongRanks(0, lowRank);
  const window = amongRanks(lowRank, lastRank);
  const ruledOut = allowedClasses(tags).logicalNot().reshape([images, classes, 1, 1]);
  let chosen = top.logicalAnd(ruledOut).logicalOr(window);
  if (!labelledEntropySplit) {
    const another = top.logicalAnd(ofClass.logicalNot());
    chosen = cat([another.narrow(0, 0, labelled), chosen.narrow(0, labelled, images - labelled)], 0);
  }
  return rules.negativeMaxConfidence < 1 ? chosen.logicalAnd(probabilities.lt(rules.negativeMaxConfidence)) : chosen;
}
