/**
 * Object masks of photographs as mask generators write them: `<id>/*.png`, a file a mask, 255 inside (Segment Anything's scripts), or
 * `<id>.json`, COCO's run lengths: a list of `{segmentation: {size, counts}}`, or an object with such a list under `annotations`.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { imageId } from "../../data/image-files.ts";
import { CsrmError, expected } from "../../errors.ts";
import { readError, readFileBytes, readTextSync } from "../../files.ts";
import { areaOfRuns, type MaskSize, type Runs, runsOfCounts } from "../../formats/coco-runs.ts";
import { decodeLabelPng } from "../../formats/indexed-png.ts";
import { parseJson } from "../../formats/json.ts";
import { encodeRle } from "../../formats/rle.ts";
import { stampOf } from "../../stamped-folder.ts";

const INSIDE = 255;

/** In a folder of PNG files that segment-anything's amg.py or csrm propose wrote; csrm writes it last, so that a folder that has it is whole. */
export const METADATA = "metadata.csv";

/** @throws CsrmError naming the first photograph without masks, and how many have none; masks that csrm propose left half done are none */
export function assertMasks(dir: string, ids: readonly string[]): void {
  const isWhole = stampOf(dir)?.format
    ? (id: string) => existsSync(join(dir, id, METADATA))
    : (id: string) => isFolder(join(dir, id));
  const missing = ids.filter((id) => !existsSync(join(dir, `${id}.json`)) && !isWhole(id));
  if (missing.length === 0) return;
  const id = missing[0]!;
  const others = missing.length > 1 ? `; ${missing.length} of ${ids.length} label maps have none` : "";
  const folder = isFolder(join(dir, id)) ? `a finished folder ${id} (csrm propose goes on with it)` : `a folder ${id}`;
  throw new CsrmError(`no masks for ${id} in ${dir}: neither ${id}.json nor ${folder}${others}`, { code: "data" });
}

/**
 * What `readMasks` reads of a photograph. A folder is among its files, since it changes when one of them goes.
 * @throws CsrmError when it cannot be listed
 */
export function maskFiles(dir: string, id: string): string[] {
  const json = join(dir, `${id}.json`);
  if (existsSync(json)) return [json];
  const folder = join(dir, id);
  return [folder, ...pngsIn(folder)];
}

/**
 * The masks of one photograph; a photograph without objects has none.
 * @param size the label map's, which every mask must have
 * @throws CsrmError naming the file that is damaged, has another size or is no mask, and the folder of files that are none
 */
export async function readMasks(dir: string, id: string, size: MaskSize): Promise<Runs[]> {
  const json = join(dir, `${id}.json`);
  return existsSync(json) ? readRunLengths(json, size) : readPngs(join(dir, id), size);
}

/** @throws CsrmError when the folder cannot be listed, or holds pictures but no PNG: a mask in a JPEG has no exact outline */
function pngsIn(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    throw readError(folder, error);
  }
  const masks = names.filter((name) => name.endsWith(".png"));
  const picture = masks.length === 0 && names.find((name) => imageId(name) !== null);
  if (picture) throw expected("masks as PNG files", folder, picture);
  return masks.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).map((name) => join(folder, name));
}

async function readPngs(folder: string, size: MaskSize): Promise<Runs[]> {
  const masks: Runs[] = [];
  for (const file of pngsIn(folder)) {
    const map = decodeLabelPng(await readFileBytes(file), file);
    assertSize(map, size, file);
    const runs = runsOfCounts(encodeRle(map, { value: INSIDE }), size, file);
    // A mask of zeros and ones would silently be an empty one.
    const other = runs.length === 0 ? map.data.find((value) => value > 0) : undefined;
    if (other !== undefined) throw expected(`${INSIDE} inside of the mask`, file, other);
    masks.push(runs);
  }
  return masks;
}

function readRunLengths(file: string, size: MaskSize): Runs[] {
  return readMaskFile(file).map((mask, i) => {
    assertSize(mask.size, size, `${file}, mask ${i}`);
    return mask.runs;
  });
}

/** A mask that was read. */
export interface StoredMask {
  size: MaskSize;
  runs: Runs;
  area: number;
}

/**
 * Reads a JSON file of masks: COCO's run lengths, as a list or under `annotations`.
 * @throws CsrmError naming the file and the mask when it is no such file, or when masks have different sizes
 */
export function readMaskFile(file: string): StoredMask[] {
  const content = parseJson(readTextSync(file), file);
  const list = Array.isArray(content) ? content : (content as { annotations?: unknown } | null)?.annotations;
  if (!Array.isArray(list)) throw expected("a list of masks, or an object with one under annotations,", file, content);
  const masks = list.map((record: unknown, i) => readRecord(record, `${file}, mask ${i}`));
  const [first] = masks;
  for (const [i, { size }] of masks.entries()) {
    if (size.width === first!.size.width && size.height === first!.size.height) continue;
    const [a, b] = [first!.size, size].map(({ width, height }) => `${width} × ${height}`);
    throw new CsrmError(`${file}: mask ${i} is ${b} pixels, mask 0 is ${a}`, { code: "data" });
  }
  return masks;
}

function readRecord(record: unknown, name: string): StoredMask {
  const { segmentation } = (record ?? {}) as { segmentation?: { size?: unknown; counts?: unknown } };
  const { size, counts } = segmentation ?? {};
  const fix = "masks are COCO's run lengths, not outlines";
  if (!isSides(size)) throw expected("segmentation.size, [height, width] in pixels,", name, size, fix);
  if (!isCounts(counts)) throw expected("segmentation.counts, run lengths,", name, counts, fix);
  const [height, width] = size;
  const runs = runsOfCounts(counts, { width, height }, name);
  return { size: { width, height }, runs, area: areaOfRuns(runs) };
}

function isSides(size: unknown): size is [number, number] {
  return Array.isArray(size) && size.length === 2 && size.every((side) => Number.isInteger(side) && side > 0);
}

function isCounts(counts: unknown): counts is string | number[] {
  return typeof counts === "string" || (Array.isArray(counts) && counts.every((count) => typeof count === "number"));
}

function assertSize(found: MaskSize, { width, height }: MaskSize, file: string): void {
  if (found.width === width && found.height === height) return;
  throw expected(`${width}×${height}, the label map's size,`, file, `${found.width}×${found.height}`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
