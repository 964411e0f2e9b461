/**
 * Object masks of photographs as mask generators write them: `<id>/*.png`, a file a mask, 255 inside (Segment Anything's scripts), or
 * `<id>.json`, COCO's run lengths: a list of `{segmentation: {size, counts}}`, or an object with such a list under `annotations`.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CsrmError, expected } from "../../errors.ts";
import { readError, readFileBytes } from "../../files.ts";
import { type MaskSize, type Runs, runsOfCounts } from "../../formats/coco-runs.ts";
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
 * The masks of one photograph; a photograph without objects has none.
 * @param size the label map's, which every mask must have
 * @throws CsrmError naming the file that is damaged or has another size
 */
export async function readMasks(dir: string, id: string, size: MaskSize): Promise<Runs[]> {
  const json = join(dir, `${id}.json`);
  return existsSync(json) ? readRunLengths(json, size) : readPngs(join(dir, id), size);
}

async function readPngs(folder: string, size: MaskSize): Promise<Runs[]> {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".png"));
  } catch (error) {
    throw readError(folder, error);
  }
  names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const masks: Runs[] = [];
  for (const name of names) {
    const file = join(folder, name);
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

async function readRunLengths(file: string, size: MaskSize): Promise<Runs[]> {
  const content = parseJson(Buffer.from(await readFileBytes(file)).toString("utf8"), file);
  const list = Array.isArray(content) ? content : (content as { annotations?: unknown } | null)?.annotations;
  if (!Array.isArray(list)) throw expected("a list of masks, or an object with one under annotations,", file, content);
  return list.map((entry: unknown, i) => {
    const name = `${file}, mask ${i}`;
    const { size: stored, counts } =
      (entry as { segmentation?: { size?: unknown; counts?: unknown } } | null)?.segmentation ?? {};
    const fix = "masks are COCO's run lengths, not outlines";
    if (!isSides(stored)) throw expected("segmentation.size, [height, width] in pixels,", name, stored, fix);
    if (!isCounts(counts)) throw expected("segmentation.counts, run lengths,", name, counts, fix);
    assertSize({ height: stored[0], width: stored[1] }, size, name);
    return runsOfCounts(counts, size, name);
  });
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
