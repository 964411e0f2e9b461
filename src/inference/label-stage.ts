/** Label maps from what the predict stage kept, at one background threshold: no network, no image. */
import { join } from "node:path";
import { expected } from "../errors.ts";
import { writeFileAtomic } from "../files.ts";
import { encodeIndexedPng } from "../formats/indexed-png.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { isNewer, workThrough } from "../resumable.ts";
import { openStamped, type StampOptions, stampOf } from "../stamped-folder.ts";
import { readPrediction } from "./prediction-file.ts";
import type { Source } from "./predictor.ts";
import { labelMapOf } from "./pseudo-labels.ts";
import { CAMS, camFile, LABELS, labelFile } from "./results.ts";

export interface LabelOptions {
  /** Folder of the predict stage; gets pseudo/<id>.png. */
  out: string;
  /** Images to label: those the predict stage has results of. */
  ids: readonly string[];
  /** Background threshold, 0…1. */
  threshold: number;
  fresh?: StampOptions["fresh"];
  progress?: Progress;
  /** What the progress calls it (default "labels"). */
  label?: string;
}

export interface LabelSummary {
  /** Folder of the label maps. */
  dir: string;
  ids: string[];
  /** How many had been done before. */
  resumed: number;
}

/**
 * Writes pseudo/<id>.png: indexed, VOC palette, dataset ids. The source is the one that the predict stage was given.
 * @throws CsrmError when `out` has no predictions, for a missing or damaged one, and for label maps of another
 *   threshold in `out`
 */
export async function writeLabels(options: LabelOptions): Promise<LabelSummary> {
  const { out, ids, threshold, fresh, progress = silentProgress } = options;
  const dir = join(out, LABELS);
  const stamp = stampOf(join(out, CAMS));
  if (stamp === null) throw expected("results of csrm predict", "the label maps", out);
  const source = stamp.source as Source;
  openStamped(dir, { ...stamp, threshold }, { fresh, note: progress.note });

  const resumed = await workThrough({
    items: ids,
    isDone: (id) => isNewer(labelFile(out, id), camFile(out, id)),
    read: (id) => readPrediction(camFile(out, id)),
    work(id, prediction) {
      const labels = labelMapOf(prediction, { source, threshold });
      return () => writeFileAtomic(labelFile(out, id), encodeIndexedPng(labels));
    },
    progress,
    label: options.label ?? "labels",
  });
  return { dir, ids: [...ids], resumed };
}
