/**
 * From scores to label maps: activation maps with a background threshold, segmentation probabilities, or the mean of
 * both.
 */
import { expected } from "../errors.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import { cat, F, fromTypedArray, full, scope, type Tensor } from "../torch/index.ts";
import { fullCams } from "./cam.ts";
import type { StoredPrediction } from "./prediction-file.ts";
import type { Planes } from "./predictor.ts";

/** Source "segmentation" has no threshold. */
export type LabelRule = { source: "cam" | "mean"; threshold: number } | { source: "segmentation" };

/**
 * The label map of an image, in its own size and of dataset ids. An image without classes is all background.
 * @throws CsrmError when the prediction lacks what the source needs
 */
export function labelMapOf(prediction: StoredPrediction, rule: LabelRule): LabelMap {
  return scope(() => labelsOf(scoresOf(prediction, rule), prediction.keys));
}

/** [n + 1, H, W] */
function scoresOf({ image, covered, activations, probabilities }: StoredPrediction, rule: LabelRule): Tensor {
  const segmentation = () => {
    if (probabilities === null) throw expected("probabilities", `label maps with source ${rule.source}`, "none");
    return tensorOf(probabilities);
  };
  if (rule.source === "segmentation") return segmentation();
  const cams = fullCams(activations.map(tensorOf), image, covered);
  return rule.source === "cam" ? camScores(cams, rule.threshold) : meanScores(cams, segmentation(), rule.threshold);
}

function tensorOf({ data, planes, height, width }: Planes): Tensor {
  return fromTypedArray(data, [planes, height, width]);
}

/**
 * A constant background plane before the activation maps.
 * @param cams [n, H, W], 0…1
 * @param threshold score of the background, 0…1
 * @returns scores [n + 1, H, W], whose argmax is the label: the first where they are equal, so the background at the
 *   threshold itself
 */
export function camScores(cams: Tensor, threshold: number): Tensor {
  if (!(threshold >= 0 && threshold <= 1)) throw expected("a number in 0..1", "the background threshold", threshold);
  const [, height, width] = cams.shape;
  return cat([full([1, height!, width!], threshold, { device: cams.device }), cams]);
}

/**
 * The mean of two distributions over the background and the classes: that of the segmentation branch, and the
 * activation maps with their background plane divided by their sum. Either alone would give its own labels.
 * @param cams [n, H, W], 0…1
 * @param probabilities [n + 1, h, w] of the segmentation branch; resized (bilinear) where smaller
 * @returns [n + 1, H, W]; sums to 1 in every pixel
 */
export function meanScores(cams: Tensor, probabilities: Tensor, threshold: number): Tensor {
  const scores = camScores(cams, threshold);
  const [, height, width] = scores.shape;
  const resized = F.interpolate(probabilities.unsqueeze(0), {
    size: [height!, width!],
    mode: "bilinear",
    alignCorners: false,
  }).squeeze(0);
  // Only a threshold of 0 where no map is active leaves nothing to divide by.
  const sum = scores.sum([0], true).clamp(1e-5);
  return scores.div(sum).add_(resized).div_(2);
}

/**
 * The label of the highest score in every pixel.
 * @param scores [n + 1, H, W]
 * @param keys the n + 1 dataset ids, the background's 0 first
 */
export function labelsOf(scores: Tensor, keys: readonly number[]): LabelMap {
  const [planes, height, width] = scores.shape;
  if (planes !== keys.length) throw expected(`${planes} ids`, "the label map", keys);
  const data = scores.argmax(0).byte().contiguous().toTypedArray() as Uint8Array; // [H, W]
  for (let i = 0; i < data.length; i++) data[i] = keys[data[i]!]!;
  return { data, width: width!, height: height! };
}
