/** Evaluates a folder of predictions against a folder of masks. */
import { resolve } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import type { ClassTable } from "../data/types.ts";
import { expected, naming } from "../errors.ts";
import type { Source } from "../inference/predictor.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { Confusion } from "./confusion.ts";
import {
  type Evaluation,
  type EvaluationLabel,
  evaluationOfCams,
  evaluationOfLabels,
  thresholdsFor,
} from "./evaluation.ts";
import { sizeOfImage } from "./images.ts";
import { maskReader } from "./masks.ts";
import { type CamFile, camMapsOf, predictionFolder, readCams, readLabels } from "./predictions.ts";
import { resizeNearest } from "./resize-nearest.ts";
import { ThresholdSweep } from "./threshold-sweep.ts";

export interface EvaluateOptions extends Omit<EvaluationLabel, "predictions" | "masks" | "images" | "source"> {
  /** Folder of label PNGs (`<id>.png`, dataset ids) or CAMs (`<id>.npz` or `cams/<id>.npz`). */
  predictions: string;
  /** Folder of masks, `<id>.png` of dataset ids, 255 = not annotated. */
  masks: string;
  /** Folder of the photographs; given, every mask must have its image's size. */
  images?: string;
  ids: readonly string[];
  classes: ClassTable;
  /** Which of the scores that csrm predict keeps (default "cam"); other files than its hold activation maps alone. */
  source?: Source;
  /** For scores only: a background threshold, or "sweep" (default): the best of .05….80 on these images. */
  threshold?: number | "sweep";
  /** How a given threshold was chosen, e.g. "best on train". */
  thresholdFrom?: string;
  /** Images read at the same time (default 8). */
  concurrency?: number;
  /** Called after every image. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * All figures of a set of predictions. Predictions of another size than their mask are resized (nearest) to it.
 * @throws CsrmError naming image or file: a missing prediction or mask, an id that the class table lacks, a mask of
 *   another size than its
 *   image, a threshold given for label maps
 */
export async function evaluatePredictions(options: EvaluateOptions): Promise<Evaluation> {
  const { ids, classes, masks, images, threshold = "sweep", source = "cam" } = options;
  const folder = predictionFolder(options.predictions, ids);
  if (folder.kind === "labels" && options.threshold !== undefined) {
    throw expected("no threshold for label maps", options.predictions, options.threshold, "only scores have one");
  }
  if (folder.kind === "labels" && source !== "cam") {
    throw expected(
      "results of csrm predict",
      options.predictions,
      "label maps",
      `there is no source ${source} in them`,
    );
  }
  const confusion = new Confusion(classes.ids.length);
  const sweep = new ThresholdSweep(classes.ids.length, thresholdsFor(threshold));
  const reader = maskReader({ dir: masks, classes });
  const toIndices = classIndexer(classes);
  let resized = 0;
  let done = 0;

  await forEachConcurrently(ids, options.concurrency ?? 8, async (id) => {
    const file = folder.fileOf(id);
    const [truth, prediction] = await Promise.all([
      reader.read(id, images === undefined ? undefined : await sizeOfImage(images, id)),
      folder.kind === "cams" ? bestScores(file, source) : readLabels(file),
    ]);
    if ("scores" in prediction) naming(file, () => sweep.add(camMapsOf(prediction, classes, file), truth));
    else confusion.add(resizeNearest(toIndices(prediction, file), truth), truth);
    if (prediction.width !== truth.width || prediction.height !== truth.height) resized++;
    options.onProgress?.(++done, ids.length);
  });

  const { split, method, label, tta, crf, thresholdFrom } = options;
  const paths = {
    predictions: resolve(options.predictions),
    masks: resolve(masks),
    images: images === undefined ? null : resolve(images),
  };
  const context = { split, method, label, tta, crf, ...paths, classes, count: ids.length, resized };
  if (folder.kind === "labels") return evaluationOfLabels(confusion, context);
  return evaluationOfCams(sweep, { ...context, source, threshold, thresholdFrom });
}

/** Scores of the image's own size where the file allows, as the label maps of `csrm predict` come from these. */
async function bestScores(file: string, source: Source): Promise<CamFile> {
  const cams = await readCams(file);
  if (source === "cam" && !cams.hasFullSize) return cams;
  // Imported here: only these files need the tensor library, and evaluating label maps must work without it.
  return (await import("./score-maps.ts")).readScoreMaps(file, source);
}
