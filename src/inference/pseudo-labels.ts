/** From what the predict stage keeps to scores and label maps: a class's score must exceed a background threshold. */
import { expected } from "../errors.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import { cat, F, fromTypedArray, full, scope, type Tensor } from "../torch/index.ts";
import { fullCams } from "./cam.ts";
import type { StoredPrediction } from "./prediction-file.ts";
import type { Planes, Source } from "./predictor.ts";
import { foregroundScores } from "./segmentation.ts";

export interface LabelRule {
  source: Source;
  /** 0…1 */
  threshold: number;
}

/**
 * The label map of an image, in its own size and of dataset ids. An image without classes is all background.
 * @throws CsrmError when the prediction lacks what the source needs
 */
export function labelMapOf(prediction: StoredPrediction, { source, threshold }: LabelRule): LabelMap {
  return scope(() => labelsOf(withBackground(scoreMaps(prediction, source), threshold), prediction.keys));
}

/**
 * The scores of an image's classes at its own size: normalised activation maps, what the segmentation branch says
 * (see {@link foregroundScores}), or the mean of both.
 * @returns [n, H, W], 0…1
 * @throws CsrmError when the prediction lacks what the source needs
 */
export function scoreMaps(prediction: StoredPrediction, source: Source): Tensor {
  const { image, covered, activations, probabilities } = prediction;
  const cams = () => fullCams(activations.map(tensorOf), image, covered);
  const segmentation = () => {
    if (probabilities === null) throw expected("probabilities", `label maps with source ${source}`, "none");
    const resized = F.interpolate(tensorOf(probabilities).unsqueeze(0), {
      size: image,
      mode: "bilinear",
      alignCorners: false,
    });
    return foregroundScores(resized.squeeze(0));
  };
  if (source === "cam") return cams();
  return source === "segmentation" ? segmentation() : cams().add(segmentation()).div(2);
}

function tensorOf({ data, planes, height, width }: Planes): Tensor {
  return fromTypedArray(data, [planes, height, width]);
}

/**
 * A constant background plane before the classes' scores.
 * @param scores [n, H, W], 0…1
 * @param threshold score of the background, 0…1
 * @returns [n + 1, H, W], whose argmax is the label: the first where they are equal, so the background at the
 *   threshold itself
 */
export function withBackground(scores: Tensor, threshold: number): Tensor {
  if (!(threshold >= 0 && threshold <= 1)) throw expected("a number in 0..1", "the background threshold", threshold);
  const [, height, width] = scores.shape;
  return cat([full([1, height!, width!], threshold, { device: scores.device }), scores]);
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
