/** Evaluates a folder of predictions against a folder of masks. */
import { resolve } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import type { ClassTable } from "../data/types.ts";
import { expected, naming } from "../errors.ts";
import type { Source } from "../inference/predictor.ts";
import { forEachConcurrently } from "./concurrency.ts";
import { Counts } from "./counts.ts";
import {
  type Evaluation,
  type EvaluationLabel,
  evaluationOfCams,
  evaluationOfLabels,
  thresholdsFor,
} from "./evaluation.ts";
import { sizeOfImage } from "./images.ts";
import { maskReader } from "./masks.ts";
import {
  type CamFile,
  camMapsOf,
  type PredictionFolder,
  predictionFolder,
  readCams,
  readLabels,
} from "./predictions.ts";
import { resizeNearest } from "./resize-nearest.ts";

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
  return evaluationOf(await countPredictions(options), options);
}

/** The predictions that options name. @throws CsrmError as {@link evaluatePredictions} */
export function openPredictions({ predictions, ids, threshold, source = "cam" }: EvaluateOptions): PredictionFolder {
  const folder = predictionFolder(predictions, ids);
  if (folder.kind === "labels" && threshold !== undefined) {
    throw expected("no threshold for label maps", predictions, threshold, "only scores have one");
  }
  if (folder.kind === "labels" && source !== "cam") {
    throw expected("results of csrm predict", predictions, "label maps", `there is no source ${source} in them`);
  }
  return folder;
}

/** Nothing counted yet of what options name. */
export function noCounts(kind: Counts["kind"], { classes, threshold = "sweep" }: EvaluateOptions): Counts {
  return new Counts({ kind, classCount: classes.ids.length, thresholds: thresholdsFor(threshold) });
}

/** Counts the pixels of all images. @throws CsrmError as {@link evaluatePredictions} */
export async function countPredictions(options: EvaluateOptions): Promise<Counts> {
  const { ids, classes, masks, images, source = "cam" } = options;
  const folder = openPredictions(options);
  const counts = noCounts(folder.kind, options);
  const reader = maskReader({ dir: masks, classes });
  const toIndices = classIndexer(classes);

  await forEachConcurrently(ids, options.concurrency ?? 8, async (id) => {
    const file = folder.fileOf(id);
    const [truth, prediction] = await Promise.all([
      reader.read(id, images === undefined ? undefined : await sizeOfImage(images, id)),
      folder.kind === "cams" ? bestScores(file, source) : readLabels(file),
    ]);
    if ("scores" in prediction) naming(file, () => counts.sweep.add(camMapsOf(prediction, classes, file), truth));
    else counts.confusion.add(resizeNearest(toIndices(prediction, file), truth), truth);
    if (prediction.width !== truth.width || prediction.height !== truth.height) counts.resized++;
    counts.images++;
    options.onProgress?.(counts.images, ids.length);
  });
  return counts;
}

/** The figures of what was counted. */
export function evaluationOf(counts: Counts, options: EvaluateOptions): Evaluation {
  const { split, method, label, tta, crf, masks, images, classes, source = "cam" } = options;
  const paths = {
    predictions: resolve(options.predictions),
    masks: resolve(masks),
    images: images === undefined ? null : resolve(images),
  };
  const { images: count, resized } = counts;
  const context = { split, method, label, tta, crf, ...paths, classes, count, resized };
  if (counts.kind === "labels") return evaluationOfLabels(counts.confusion, context);
  const { threshold = "sweep", thresholdFrom } = options;
  return evaluationOfCams(counts.sweep, { ...context, source, threshold, thresholdFrom });
}

/** Scores of the image's own size where the file allows, as the label maps of `csrm predict` come from these. */
async function bestScores(file: string, source: Source): Promise<CamFile> {
  const cams = await readCams(file);
  if (source === "cam" && !cams.hasFullSize) return cams;
  // Imported here: only these files need the tensor library, and evaluating label maps must work without it.
  return (await import("./score-maps.ts")).readScoreMaps(file, source);
}
