/**
 * Finds what pictures can be shown: per list of images the folders of photographs, activation maps, label maps and
 * masks.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { ClassTable } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { imageFile } from "../evaluation/images.ts";
import { titleOf } from "../evaluation/table.ts";
import { CAMS, LABELS, REFINED } from "../inference/results.ts";
import { bySplit, isObject, isStart, oneOfEachSort, type RunData } from "./run-data.ts";

/** A column of predictions. */
export interface PictureColumn {
  title: string;
  kind: "cams" | "labels";
  /** Holds `<id>.npz` or `<id>.png`. */
  dir: string;
}

/** One list of images with everything there is to show of it. */
export interface PictureSource {
  /** The list's name. */
  title: string;
  /** Folder of the photographs. */
  images: string;
  columns: readonly PictureColumn[];
  /** Null: no column of ground truth. */
  masks: { dir: string; classes: ClassTable } | null;
}

const EXTENSION = { cams: ".npz", labels: ".png" } as const satisfies Record<PictureColumn["kind"], string>;

/** The file of a column's prediction. */
export function predictionFile(column: PictureColumn, id: string): string {
  return join(column.dir, id + EXTENSION[column.kind]);
}

/** A column of the predictions in a folder, which may keep its activation maps below it. */
export function pictureColumn(title: string, kind: PictureColumn["kind"], dir: string): PictureColumn {
  const below = join(dir, CAMS);
  return { title, kind, dir: kind === "cams" && existsSync(below) ? below : dir };
}

/** By the folders that the evaluations name; where nothing was evaluated, what lies in the folders of predictions. */
export function pictureSources(run: RunData): PictureSource[] {
  const named = bySplit(run.evaluations).flatMap(([split, list]) => sourceOf(run, split, list) ?? []);
  return named.length > 0 ? named : foundSources(run);
}

/**
 * Up to `count` ids, evenly spaced over the sorted ids that have an image and every prediction: chosen by name, not
 * by quality.
 */
export function chooseIds(source: PictureSource, count: number): string[] {
  const [first, ...others] = source.columns;
  if (!first) return [];
  const ids = idsIn(first).filter(
    (id) => imageFile(source.images, id) !== null && others.every((column) => existsSync(predictionFile(column, id))),
  );
  const shown = Math.min(count, ids.length);
  return Array.from({ length: shown }, (_, i) => ids[Math.floor(((i + 0.5) * ids.length) / shown)]!);
}

/** @throws CsrmError naming the file that one of these images lacks */
export function assertIds({ images, columns }: PictureSource, ids: readonly string[]): void {
  for (const id of ids) {
    if (imageFile(images, id) === null)
      throw expected(`a photograph ${id}`, "the pictures", "none", `looked in ${images}`);
    const absent = columns.map((column) => predictionFile(column, id)).find((file) => !existsSync(file));
    if (absent !== undefined) throw expected(`a prediction of ${id}`, "the pictures", "none", `looked for ${absent}`);
  }
}

function sourceOf(run: RunData, split: string, list: readonly Evaluation[]): PictureSource | null {
  const columns = new Map<string, PictureColumn>();
  for (const evaluation of worthShowing(list)) {
    const dir = located(run.dir, evaluation.predictions);
    if (dir === null) continue;
    const column = pictureColumn(titleOf(evaluation), evaluation.kind, dir);
    if (!columns.has(column.dir)) columns.set(column.dir, column);
  }
  // Label maps of thresholded activation maps are not measured on their own: the maps were.
  const last = [...columns.values()].findLast(({ kind }) => kind === "cams");
  for (const column of last ? siblings(last) : []) if (!columns.has(column.dir)) columns.set(column.dir, column);
  const images = list.map((evaluation) => located(run.dir, evaluation.images)).find((dir) => dir !== null);
  if (!images || columns.size === 0) return null;
  const masks = list.map((evaluation) => located(run.dir, evaluation.masks)).find((dir) => dir !== null) ?? null;
  const { ids, names } = list[0]!;
  // Activation maps first: the labels come from them. Then labels before refined ones.
  const order = ({ kind, dir }: PictureColumn) =>
    kind === "cams" ? 0 : list.some((e) => e.crf && located(run.dir, e.predictions) === dir) ? 2 : 1;
  const ordered = [...columns.values()].sort((a, b) => order(a) - order(b));
  return {
    title: split,
    images,
    columns: ordered,
    masks: masks === null ? null : { dir: masks, classes: { ids, names } },
  };
}

/**
 * One column of each sort; of starting points the activation maps alone, where there is more to show than starting
 * points.
 */
function worthShowing(list: readonly Evaluation[]): Evaluation[] {
  const sorts = oneOfEachSort(list);
  const onlyStarts = sorts.every(({ method }) => isStart(method));
  return sorts.filter(({ method, kind }) => onlyStarts || kind === "cams" || !isStart(method));
}

/** The label maps that the predict and refine stages put beside activation maps. */
function siblings({ dir, title }: PictureColumn): PictureColumn[] {
  const names = { [LABELS]: `${title}, labels`, [REFINED]: `${title}, labels + CRF` };
  return Object.entries(names)
    .map(([name, text]): PictureColumn => ({ title: text, kind: "labels", dir: join(dirname(dir), name) }))
    .filter((column) => existsSync(column.dir));
}

/** Paths in evaluations are absolute or relative to the run; folders that are gone count as absent. */
function located(runDir: string, path: string | null): string | null {
  if (path === null || path === undefined) return null;
  const full = isAbsolute(path) ? path : join(runDir, path);
  return existsSync(full) ? full : null;
}

/** Folders of predictions that no evaluation names: one source for every folder below predict/ that has some. */
function foundSources({ dir, config }: RunData): PictureSource[] {
  const root =
    isObject(config.data) && typeof config.data.root === "string" ? resolve(dir, config.data.root) : join(dir, "data");
  const groups = new Map<string, PictureColumn[]>();
  for (const stage of ["predict", "refine"]) {
    for (const { group, column } of columnsBelow(join(dir, stage), stage)) {
      groups.set(group, [...(groups.get(group) ?? []), column]);
    }
  }
  return [...groups].flatMap(([title, columns]) => {
    const first = idsIn(columns[0]!)[0]!;
    const candidates = [join(root, "JPEGImages"), join(root, "images"), root];
    const images = candidates.find((folder) => imageFile(folder, first) !== null);
    return images ? [{ title, images, columns, masks: null }] : [];
  });
}

/** Columns by the part of their path that the stages share, e.g. "csrm/all". */
function columnsBelow(stageDir: string, stage: string): { group: string; column: PictureColumn }[] {
  if (!existsSync(stageDir)) return [];
  const entries = readdirSync(stageDir, { withFileTypes: true, recursive: true });
  const below = entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  return [stageDir, ...below.sort()].flatMap((folder) => {
    const kinds = (["cams", "labels"] as const).filter((kind) =>
      readdirSync(folder).some((name) => name.endsWith(EXTENSION[kind])),
    );
    const parts = relative(stageDir, folder).split(sep);
    const name = [CAMS, LABELS, REFINED].find((known) => known === parts.at(-1));
    const group = (name ? parts.slice(0, -1) : parts).join("/") || "predictions";
    const title = stage === "refine" || name === REFINED ? "refined" : name === CAMS ? "activation" : "pseudo-label";
    return kinds.map((kind) => ({ group, column: { title, kind, dir: folder } }));
  });
}

function idsIn({ dir, kind }: PictureColumn): string[] {
  return readdirSync(dir, { recursive: true })
    .map((name) => String(name).split(sep).join("/"))
    .filter((name) => name.endsWith(EXTENSION[kind]))
    .map((name) => name.slice(0, -EXTENSION[kind].length))
    .sort();
}
