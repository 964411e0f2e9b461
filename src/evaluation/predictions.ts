/** Predictions on disk: a folder of label PNGs (dataset ids) or of CAM files. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ClassTable } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import { readFileBytes } from "../files.ts";
import { decodeLabelPng, type LabelMap } from "../formats/indexed-png.ts";
import { readNpz } from "../formats/npz.ts";
import type { CamMaps } from "./threshold-sweep.ts";

/** Where the predictions of a folder lie, and of which kind they are. */
export interface PredictionFolder {
  kind: "labels" | "cams";
  /** The file of an image. */
  fileOf(id: string): string;
}

/** Tried in this order; the first that has the first image decides. */
const LAYOUTS = [
  { kind: "labels", below: "", extension: ".png" },
  { kind: "cams", below: "", extension: ".npz" },
  { kind: "cams", below: "cams", extension: ".npz" },
] as const satisfies readonly { kind: PredictionFolder["kind"]; below: string; extension: string }[];

/**
 * Finds out what a folder holds: `<id>.png`, `<id>.npz` or `cams/<id>.npz`.
 * @throws CsrmError naming the first image without a prediction, and how many lack one
 */
export function predictionFolder(dir: string, ids: readonly string[]): PredictionFolder {
  if (ids.length === 0) throw expected("at least one image", "the list of images to evaluate", ids);
  const seen = new Set<string>();
  const twice = ids.find((id) => seen.size === seen.add(id).size);
  if (twice !== undefined) throw expected("every image once", "the list of images to evaluate", `${twice} twice`);
  if (!existsSync(dir)) throw expected("a folder of predictions", "--predictions", dir, "no such folder");
  const pathIn = (layout: (typeof LAYOUTS)[number]) => (id: string) => join(dir, layout.below, id + layout.extension);
  const found = LAYOUTS.map((layout) => ({ kind: layout.kind, fileOf: pathIn(layout) }));
  const layout = found.find(({ fileOf }) => ids.some((id) => existsSync(fileOf(id))));
  const missing = layout ? ids.filter((id) => !existsSync(layout.fileOf(id))) : ids;
  if (layout && missing.length === 0) return layout;
  const looked = (layout ? [layout] : found).map(({ fileOf }) => fileOf(missing[0]!)).join(" or ");
  const others = missing.length > 1 ? `; ${missing.length} of ${ids.length} images have none` : "";
  throw new CsrmError(`no prediction for image ${missing[0]}: expected ${looked}${others}`, { code: "data" });
}

/** A label map of dataset ids from a PNG file. @throws CsrmError naming the file when it is missing or damaged */
export async function readLabels(file: string): Promise<LabelMap> {
  return decodeLabelPng(await readFileBytes(file), file);
}

/** Activation maps as they stand in a file. */
export interface CamFile {
  /** Dataset id of every map. */
  ids: number[];
  /** n×height×width scores. */
  scores: Float32Array;
  width: number;
  height: number;
  /** Whether the file also holds what maps of the image's own size are made from. */
  hasFullSize: boolean;
}

/**
 * Activation maps from an .npz with `keys` (dataset ids, 0 for the background first) and `cam` (a height×width map
 * for every key but the first).
 * @throws CsrmError naming the file when it is missing or damaged
 */
export async function readCams(file: string): Promise<CamFile> {
  const arrays = readNpz(await readFileBytes(file), file);
  const [keys, cam] = [arrays.get("keys"), arrays.get("cam")];
  if (!keys || !cam) throw expected('arrays "keys" and "cam"', file, [...arrays.keys()]);
  const ids = Array.from(keys.data, Number);
  const [maps, height, width] = cam.shape;
  if (cam.shape.length !== 3 || maps !== ids.length - 1 || ids[0] !== 0) {
    throw expected("keys [0, ids…] and one map for every id but 0", file, { keys: ids, cam: cam.shape });
  }
  if (!(cam.data instanceof Float32Array || cam.data instanceof Float64Array)) {
    throw expected("floating-point maps", file, cam.dtype);
  }
  return {
    ids: ids.slice(1),
    scores: Float32Array.from(cam.data),
    width: width!,
    height: height!,
    hasFullSize: arrays.has("activation_0"),
  };
}

/** The same maps by class index. @throws CsrmError naming the file and an id that the class table lacks */
export function camMapsOf(cam: CamFile, classes: ClassTable, file: string): CamMaps {
  const { ids, scores, width, height } = cam;
  const indices = ids.map((id) => {
    const index = classes.ids.indexOf(id);
    if (index < 1) throw expected(`keys among the class ids ${classes.ids.slice(1).join(", ")}`, file, id);
    return index;
  });
  return { classes: indices, scores, width, height };
}
