/** Figures 3 to 5 of the paper: photograph | ground truth | method A | method B …, as one picture and as a page. */
import { existsSync } from "node:fs";
import path from "node:path";
import { CsrmError, expected } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { titleOf } from "../evaluation/table.ts";
import { LABELS } from "../inference/results.ts";
import { drawGallery, type Gallery } from "../report/gallery.ts";
import { type PictureColumn, type PictureSource, pictureColumn } from "../report/picture-sources.ts";
import { compareSplits, splitOf } from "../report/run-data.ts";
import { measuredBy, type Subject } from "./subjects.ts";

export interface QualitativeOptions {
  subjects: readonly Subject[];
  /** The list; default: the last that every subject has predictions of, lists of training images before others. */
  split?: string;
  /** Images to show; default: `rows` of them, evenly spaced by name. */
  ids?: readonly string[];
  rows: number;
}

/**
 * The pictures, label maps over photographs; for what has none, activation maps.
 * @throws CsrmError for a list that some subject lacks, for folders that are gone, and for an image without photograph or prediction
 */
export async function qualitative(options: QualitativeOptions): Promise<Gallery> {
  const { subjects, ids, rows } = options;
  const measured = measuredBy(subjects, titleOf);
  const lists = measured.map(({ evaluations }) => new Set(evaluations.map(splitOf)));
  const common = [...lists[0]!].filter((list) => lists.every((each) => each.has(list))).sort(compareSplits);
  const split = options.split ?? common.at(-1);
  if (split === undefined || !common.includes(split)) {
    throw expected(
      common.length > 0 ? `one of ${common.join(", ")}` : "a list that all have in common",
      "--list",
      split,
    );
  }
  const chosen = measured.map(({ name, subject, evaluations }) => {
    const evaluation = evaluations.find((each) => splitOf(each) === split)!;
    const source = subject.sources.find((each) => each.evaluations.includes(evaluation))!;
    return { name, evaluation, root: source.root };
  });
  const columns = chosen.map(({ name, evaluation, root }) => columnOf(name, evaluation, root));
  return await drawGallery(pictureSource(split, columns, chosen), ids ?? rows, { truthFirst: true });
}

interface Chosen {
  evaluation: Evaluation;
  /** What relative paths in the evaluation start from. */
  root: string;
}

function columnOf(name: string, { predictions, kind, method }: Evaluation, root: string): PictureColumn {
  if (predictions === null) throw new CsrmError(`${root} does not say where its predictions are`, { code: "data" });
  const dir = folder(root, predictions);
  // Scores have label maps beside them, made at the threshold they were measured at; but for the CAMs of a network whose label maps come
  // from its segmentation branch.
  const labels = path.join(dir, LABELS);
  const hasLabels = kind === "cams" && !method?.startsWith("csrm_cam") && existsSync(labels);
  return hasLabels ? pictureColumn(name, "labels", labels) : pictureColumn(name, kind, dir);
}

function pictureSource(split: string, columns: PictureColumn[], chosen: readonly Chosen[]): PictureSource {
  const { evaluation, root } = chosen[0]!;
  const { images, masks, ids, names } = evaluation;
  if (images === null || masks === null) {
    throw new CsrmError(`the evaluation of ${split} in ${root} does not say where photographs and masks are`, {
      code: "data",
    });
  }
  return {
    title: split,
    images: folder(root, images),
    columns,
    masks: { dir: folder(root, masks), classes: { ids, names } },
  };
}

function folder(root: string, dir: string): string {
  const full = path.resolve(root, dir);
  if (existsSync(full)) return full;
  throw new CsrmError(`${full} is gone, so there is nothing to show of ${root}`, { code: "data" });
}
