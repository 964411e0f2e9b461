/** The dense CRF over a folder of finished label maps, one image after the other on all threads. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { decodeImage } from "../data/image.ts";
import { imagesOf, labelIds } from "../data/label-files.ts";
import { CsrmError, expected, naming } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng, encodeIndexedPng } from "../formats/indexed-png.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { isNewer, workThrough } from "../resumable.ts";
import { lockFolder } from "../run-lock.ts";
import { makeFolder } from "../run-stage.ts";
import { type Shard, WHOLE } from "../shard.ts";
import { openStamped, type Settings, type StampOptions, stampOf } from "../stamped-folder.ts";
import { assertCrfParams, crfParamsOf, scaleCrfParams } from "./crf-params.ts";
import { type CrfSettings, refineLabels } from "./refine-labels.ts";

export interface RefineOptions {
  /** A folder of photographs, or those of a data set. */
  images: string | { samples: readonly { id: string; image: string }[] };
  /** Folder of label maps, <id>.png of ids 0…254, 255 = unknown. */
  labels: string;
  /** Gets <id>.png: indexed, VOC palette, the same ids. */
  out: string;
  /** Default: every label map in the folder. */
  ids?: readonly string[];
  params: CrfSettings;
  /** The shard of a list that `ids` are, where other processes refine the other ones into the same folder. */
  shard?: Shard;
  /** Begin anew where there are results already, and keep those aside. */
  fresh?: StampOptions["fresh"];
  progress?: Progress;
  /** What the progress calls it (default "dCRF"). */
  label?: string;
}

export interface RefineSummary {
  /** Folder of the refined label maps. */
  dir: string;
  ids: string[];
  /** How many had been done before. */
  resumed: number;
  seconds: number;
}

/**
 * Refines label maps; those that were refined before with the same settings and have not changed since stay as they
 * are.
 * @throws CsrmError naming the parameter that is out of range; naming the file: a missing label map or photograph (before anything is refined), a damaged one,
 *   different sizes; for results of other settings in `out`; (code "locked") when another process refines there
 */
export async function refineCrf(options: RefineOptions): Promise<RefineSummary> {
  const { labels, params, progress = silentProgress, fresh, shard = WHOLE } = options;
  const started = performance.now();
  const dir = resolve(options.out);
  if (dir === resolve(labels)) throw expected("another folder than that of the labels", "the refined labels", dir);
  assertCrfParams(scaleCrfParams(crfParamsOf(params), params.crf_scale));
  const labelFile = (id: string) => join(labels, `${id}.png`);
  const ids = options.ids ?? labelIds(labels);
  const missing = ids.find((id) => !existsSync(labelFile(id)));
  if (missing !== undefined) throw new CsrmError(`no label map ${labelFile(missing)}`, { code: "data" });
  const photographs = imagesOf(options.images, ids);
  makeFolder(dir);
  let lock = lockFolder(dir, progress.note, shard);
  try {
    // Old results took the lock along.
    if (openStamped(dir, stamp(labels, params), { fresh, note: progress.note })) lock = lockFolder(dir, progress.note);
    const resumed = await refineAll({ ...options, ids, dir, photographs });
    return { dir, ids: [...ids], resumed, seconds: (performance.now() - started) / 1000 };
  } finally {
    lock.release();
  }
}

interface Work extends RefineOptions {
  ids: readonly string[];
  dir: string;
  photographs: ReadonlyMap<string, string>;
}

/** @returns how many had been done before */
function refineAll({ labels, ids, dir, params, photographs, progress = silentProgress, label }: Work): Promise<number> {
  const labelFile = (id: string) => join(labels, `${id}.png`);
  return workThrough({
    items: ids,
    isDone: (id) => isNewer(join(dir, `${id}.png`), labelFile(id)),
    async read(id) {
      const [image, bytes] = await Promise.all([decodeImage(photographs.get(id)!), readFileBytes(labelFile(id))]);
      return { image, map: decodeLabelPng(bytes, labelFile(id)) };
    },
    work(id, { image, map }) {
      const refined = naming(`${labelFile(id)}, image ${photographs.get(id)}`, () => refineLabels(image, map, params));
      return () => writeFileAtomic(join(dir, `${id}.png`), encodeIndexedPng(refined));
    },
    progress,
    label: label ?? "dCRF",
  });
}

/**
 * What decides over the results beside the label maps themselves, whose own settings are kept along where they are
 * known.
 */
function stamp(labels: string, params: CrfSettings): Settings {
  const { gt_prob, crf_scale, iterations, gaussian_sxy, gaussian_compat } = params;
  const { bilateral_sxy, bilateral_srgb, bilateral_compat } = params;
  const crf = { gt_prob, crf_scale, iterations, gaussian_sxy, gaussian_compat };
  return { ...crf, bilateral_sxy, bilateral_srgb, bilateral_compat, labels: stampOf(labels) };
}
