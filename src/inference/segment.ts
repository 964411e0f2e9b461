/** A verification network on one image: several scales and the mirror image averaged, softmax, and the dense CRF on it. */

import { imageTensor } from "../data/pillow-resize.ts";
import type { RgbImage } from "../data/types.ts";
import { CsrmError } from "../errors.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import { inOrder, type Segmenter, type SegmenterInfo } from "../models/segmenter.ts";
import { type CrfKeys, crfParamsOf, scaleCrfParams } from "../refine/crf-params.ts";
import { denseCrf, shrinkImages } from "../refine/dense-crf.ts";
import { unaryFromSoftmax } from "../refine/unaries.ts";
import { F, fromTypedArray, noGrad, type Precision, scope, type Tensor, withPrecision } from "../torch/index.ts";
import { sumAt } from "./cam.ts";
import { labelsOf } from "./pseudo-labels.ts";
import { type InputSize, inputSize, type Size } from "./resize.ts";
import { mirrorAdded, view } from "./tta.ts";

export interface SegmentSettings {
  /** Factors of the input size whose logits are averaged. */
  scales: readonly number[];
  /** Also adds the logits of the mirror image. */
  flip: boolean;
  size: InputSize;
  /** Null: no CRF. */
  crf: (CrfKeys & { crf_scale: number }) | null;
  device: string;
  precision: Precision;
}

export interface Segmented {
  /** The most probable class of every pixel, in the image's size, of dataset ids. */
  labels: LabelMap;
  /** The same after the CRF; null without one. */
  refined: LabelMap | null;
}

/** @throws CsrmError (code "weights") when the network gives NaN or infinity */
export function segmentImage(
  network: { segmenter: Segmenter; info: SegmenterInfo },
  image: RgbImage,
  settings: SegmentSettings,
): Segmented {
  const { ids } = network.info.classes;
  return noGrad(() =>
    scope(() => {
      const chances = segmentProbabilities(network, image, settings);
      // A sum is not finite as soon as one number is not.
      if (!Number.isFinite(chances.sum().item())) {
        throw new CsrmError("the network's output is not finite; its file is damaged or its training diverged", {
          code: "weights",
        });
      }
      const labels = labelsOf(chances, ids);
      return { labels, refined: settings.crf && labelsOf(refinedChances(chances, image, settings.crf), ids) };
    }),
  );
}

/**
 * Probabilities of every class: logits of each scale, its mirror image's added, resized to the image (bilinear, corners not aligned), averaged
 * over the scales, softmax. Sums of the mirror images are not halved, as the authors' code has it: twice the logits make surer probabilities.
 * @returns [K, H, W], on the settings' device
 */
export function segmentProbabilities(
  { segmenter, info }: { segmenter: Segmenter; info: SegmenterInfo },
  image: RgbImage,
  { scales, flip, size, device, precision }: Omit<SegmentSettings, "crf">,
): Tensor {
  return scope(() => {
    const original: Size = [image.height, image.width];
    const input = inputSize(original, size);
    const pixels = imageTensor(image, device);
    const logits = scales.map((scale) =>
      scope(() => {
        const x = inOrder(view(pixels, { size: input, scale, flip, mean: info.mean, std: info.std }), info);
        const out = withPrecision(precision, device, () => segmenter.predict(x));
        return sumAt([mirrorAdded(out.to("float32"))], original);
      }),
    );
    return logits
      .reduce((sum, each) => sum.add(each))
      .div(scales.length)
      .softmax(0);
  });
}

/** @param chances [K, H, W] @returns Q of the CRF, [K, H, W] */
function refinedChances(chances: Tensor, image: RgbImage, crf: NonNullable<SegmentSettings["crf"]>): Tensor {
  const { height, width } = image;
  const size = [height, width].map((side) => Math.max(1, Math.round(side * crf.crf_scale))) as [number, number];
  const pixels = fromTypedArray(image.data, [1, height, width, 3]);
  const resized = (maps: Tensor, to: readonly [number, number]) =>
    crf.crf_scale === 1 ? maps : F.interpolate(maps, { size: to, mode: "bilinear", alignCorners: false });
  const q = denseCrf({
    images: crf.crf_scale === 1 ? pixels : shrinkImages(pixels, size),
    unary: unaryFromSoftmax(resized(chances.unsqueeze(0), size)),
    params: scaleCrfParams(crfParamsOf(crf), crf.crf_scale),
  });
  return resized(q, [height, width]).squeeze(0);
}
