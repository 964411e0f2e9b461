/** Pseudo-labels l from the teacher's CAMs (paper Eq. 2 and 6): normalise, threshold, refine by the dense CRF, leave the unsure open. */

import { isTagged, resizeNearest, VOID } from "../losses/functional.ts";
import { crfParamsOf, scaleCrfParams } from "../refine/crf-params.ts";
import { denseCrf, denseCrfLabels, shrinkImages } from "../refine/dense-crf.ts";
import { unaryFromSoftmax } from "../refine/unaries.ts";
import { full, noGrad, scope, stack, type Tensor, tensor, zeros } from "../torch/index.ts";
import { combineLabelings, labelAbove, labelBetween, normaliseCams } from "./cam-labels.ts";
import type { Recipe } from "./config.ts";

export interface PseudoLabelInput {
  /** [B, C, h, w] raw activations. Not changed. */
  cams: Tensor;
  /** [B, C], 1 or 0; a row of −1 for an image without tags. */
  tags: Tensor;
  /** [B, H, W, 3] uint8, the images that the activations are of, on any device. */
  pixels: Tensor;
  options: Recipe["pseudo_labels"];
}

/**
 * @returns [B, H, W] uint8 on the CAMs' device: 0 background, c + 1 for tag c, 255 unsure. An image whose tags are known to be empty
 * is background throughout, an image without tags 255 throughout.
 */
export function pseudoLabels({ cams, tags, pixels, options }: PseudoLabelInput): Tensor {
  return noGrad(() =>
    scope(() => {
      const [images, height, width] = pixels.shape as [number, number, number];
      const { device } = cams;
      const classes = classesByImage(tags);
      const withClasses = classes.flatMap((own, b) => (own.length > 0 ? [b] : []));
      const labels = zeros([images, height, width], { dtype: "uint8", device });
      if (withClasses.length > 0) {
        const there = tensor(BigInt64Array.from(withClasses, BigInt), { device });
        const size = [height, width].map((side) => Math.max(1, Math.round(side * options.crf_scale))) as [
          number,
          number,
        ];
        const scores = normaliseCams(cams.indexSelect(0, there), tags.indexSelect(0, there), size, options.normalise);
        const shown = pixels.to({ device }).indexSelect(0, there);
        const small = options.crf_scale === 1 ? shown : shrinkImages(shown, size);
        const refine = options.crf_input === "soft" ? refineScores : refineLabels;
        const refined = refine(
          scores,
          small,
          withClasses.map((b) => classes[b]!),
          options,
        );
        labels.indexCopy_(0, there, resizeNearest(refined, [height, width]));
      }
      return labels.maskedFill(isTagged(tags).logicalNot().reshape([images, 1, 1]), VOID);
    }),
  );
}

/** The authors' way: a strict and a lenient labeling, each through the CRF on one lattice, then combined. */
function refineLabels(scores: Tensor, images: Tensor, classes: number[][], options: Recipe["pseudo_labels"]): Tensor {
  const strict = labelAbove(scores, options.foreground_threshold);
  const lenient = labelAbove(scores, options.background_threshold);
  const refined = denseCrfLabels({
    images,
    labels: stack([strict, lenient], 1), // [A, 2, h, w]
    classes: classes.map((own) => [0, ...own]),
    gtProb: options.gt_prob,
    params: scaleCrfParams(crfParamsOf(options), options.crf_scale),
  });
  return combineLabelings(refined.select(1, 0), refined.select(1, 1));
}

/**
 * The paper's wording: the scores themselves through the CRF, then thresholds on what comes out. The paper does not say what the
 * background's score is; here it is what the strongest class leaves of 1, and all scores are divided by their sum.
 */
function refineScores(scores: Tensor, images: Tensor, classes: number[][], options: Recipe["pseudo_labels"]): Tensor {
  const [count, channels, height, width] = scores.shape as [number, number, number, number];
  const most = Math.max(...classes.map((own) => own.length));
  const planes = full([count, most + 1, height, width], 0, { device: scores.device });
  planes.select(1, 0).copy_(scores.amax(1).neg().add(1));
  for (const [a, own] of classes.entries()) {
    for (const [k, id] of own.entries())
      planes
        .select(0, a)
        .select(0, k + 1)
        .copy_(scores.select(0, a).select(0, id - 1));
  }
  const q = denseCrf({
    images,
    unary: unaryFromSoftmax(planes.div(planes.sum(1, true))),
    labelCounts: classes.map((own) => own.length + 1),
    params: scaleCrfParams(crfParamsOf(options), options.crf_scale),
  });
  const refined = zeros([count, channels, height, width], { device: scores.device });
  for (const [a, own] of classes.entries()) {
    for (const [k, id] of own.entries())
      refined
        .select(0, a)
        .select(0, id - 1)
        .copy_(q.select(0, a).select(0, k + 1));
  }
  return labelBetween(refined, options.background_threshold, options.foreground_threshold);
}

/** The network classes (1…C) in each image's tags, ascending; none for images without tags. One small read-back. */
function classesByImage(tags: Tensor): number[][] {
  const [images, classes] = tags.shape as [number, number];
  const values = tags.toArray();
  return Array.from({ length: images }, (_, b) => {
    const own: number[] = [];
    for (let c = 0; c < classes; c++) if (values[b * classes + c]! > 0) own.push(c + 1);
    return own;
  });
}
