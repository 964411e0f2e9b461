/**
 * The predict stage: every image of a list once through the network. What label maps are made from is kept, so that
 * thresholds can be chosen later.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodeImage } from "../data/image.ts";
import type { ClassTable, Dataset, Sample } from "../data/types.ts";
import { expected, naming } from "../errors.ts";
import { readFileBytes } from "../files.ts";
import { openModel } from "../models/model-file.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { assertSomeRead, isNewer, noteSkipped, type Skipped, workThrough } from "../resumable.ts";
import { openStamped, type StampOptions } from "../stamped-folder.ts";
import { assertClasses, type PredictSettings, predictionStamp } from "./predict-settings.ts";
import { readPredictionKeys, writePrediction } from "./prediction-file.ts";
import { Predictor } from "./predictor.ts";
import { CAMS, camFile } from "./results.ts";

export interface PredictOptions {
  /** model.safetensors of a classifier or of CSRM. */
  model: string;
  dataset: Dataset;
  /** Gets cams/<id>.npz. */
  out: string;
  settings: PredictSettings;
  /** Begin anew where there are results already, and keep those aside. */
  fresh?: StampOptions["fresh"];
  /** These are some of a list's images, so that there may be nothing readable among them. */
  partial?: boolean;
  /** An image that cannot be decoded is an error instead of a skip. */
  strict?: boolean;
  progress?: Progress;
  /** What the progress calls it (default "predict"). */
  label?: string;
}

export interface PredictSummary {
  out: string;
  /** Images with a result, in the order of the data set. */
  ids: string[];
  skipped: Skipped[];
  /** Of the images with a result, how many had been done before. */
  resumed: number;
  /** Images whose classes the classifier chose. */
  predicted_tags: number;
  seconds: number;
}

/**
 * Predicts all images; those done before with the same settings and tags stay as they are. Opens no mask.
 * @throws CsrmError for a network of other classes, results of other settings in `out`, a full disk and, where
 *   `strict`, for an image that cannot be decoded; InterruptedError between two images
 */
export async function predictCams(options: PredictOptions): Promise<PredictSummary> {
  const { dataset, out, settings, strict = false, partial = false, progress = silentProgress } = options;
  const { samples, classes } = dataset;
  if (samples.length === 0) throw expected("at least one image", `the data set ${dataset.name}`, "none");
  const started = performance.now();
  using predictor = await openPredictor(options);
  const wantedTags = (sample: Sample) => tagsFor(sample, settings, classes);
  const skipped: Skipped[] = [];
  const resumed = await workThrough({
    items: samples,
    isDone: (sample) => isDone(sample, { out, settings, classes }),
    read: (sample) => decodeImage(sample.image),
    work(sample, image) {
      const prediction = naming(`${options.model}, image ${sample.image} (${image.width} × ${image.height})`, () =>
        predictor.predictImage(image, wantedTags(sample)),
      );
      return () => writePrediction(camFile(out, sample.id), prediction);
    },
    onUnreadable: strict ? undefined : ({ id }, error) => noteSkipped(skipped, id, error),
    progress,
    label: options.label ?? "predict",
  });
  if (!partial) assertSomeRead(skipped, samples.length);
  const missing = new Set(skipped.map(({ id }) => id));
  const kept = samples.filter(({ id }) => !missing.has(id));
  return {
    out,
    ids: kept.map(({ id }) => id),
    skipped,
    resumed,
    predicted_tags: kept.filter((sample) => wantedTags(sample) === null).length,
    seconds: (performance.now() - started) / 1000,
  };
}

/** Checks that network and data set fit and that results in `out` have the same settings, before any image is read. */
async function openPredictor({ model, dataset, out, settings, fresh, progress }: PredictOptions): Promise<Predictor> {
  const digest = createHash("sha256")
    .update(await readFileBytes(model))
    .digest("hex");
  const network = openModel(model, { device: settings.device });
  assertClasses(network.info, dataset.classes, model);
  const predictor = new Predictor(network, settings);
  const stamp = predictionStamp(settings, { model: digest, classes: dataset.classes });
  openStamped(join(out, CAMS), stamp, { fresh, note: progress?.note });
  return predictor;
}

/** Multi-hot; null leaves the choice to the classifier. */
function tagsFor(sample: Sample, { tags }: PredictSettings, classes: ClassTable): Uint8Array | null {
  if (tags === "all") return new Uint8Array(classes.ids.length - 1).fill(1);
  return tags === "predicted" ? null : sample.tags;
}

/** Photograph or tags may have been changed since: then an image is predicted again. */
async function isDone(
  sample: Sample,
  { out, settings, classes }: { out: string; settings: PredictSettings; classes: ClassTable },
): Promise<boolean> {
  const file = camFile(out, sample.id);
  if (!(await isNewer(file, sample.image))) return false;
  const tags = tagsFor(sample, settings, classes);
  if (tags === null) return true;
  const keys = classes.ids.filter((_, k) => k === 0 || tags[k - 1]);
  return keys.join() === readPredictionKeys(file).join();
}
