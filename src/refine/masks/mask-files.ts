/**
 * Object masks of photographs as mask generators write them: `<id>/*.png`, a file a mask, 255 inside (Segment Anything's scripts), or
 * `<id>.json`, COCO's run lengths: a list of `{segmentation: {size, counts}}`, or an object with such a list under `annotations`.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { imageId } from "../../data/image-files.ts";
import { CsrmError, expected } from "../../errors.ts";
import { readError, readFileBytes } from "../../files.ts";
import { type MaskSize, type Runs, runsOfCounts } from "../../formats/coco-runs.ts";
import { decodeLabelPng } from "../../formats/indexed-png.ts";
import { parseJson } from "../../formats/json.ts";
import { encodeRle } from "../../formats/rle.ts";

const INSIDE = 255;

/** @throws CsrmError naming the first photograph without masks, and how many have none */
export function assertMasks(dir: string, ids: readonly string[]): void {
  const missing = ids.filter((id) => !existsSync(join(dir, `${id}.json`)) && !isFolder(join(dir, id)));
  if (missing.length === 0) return;
  const id = missing[0]!;
  const others = missing.length > 1 ? `; ${missing.length} of ${ids.length} label maps have none` : "";
  throw new CsrmError(`no masks for ${id} in ${dir}: neither ${id}.json nor a folder ${id}${others}`, { code: "data" });
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
    const other = map.data.find((value) => value !== 0);
    if (other !== undefined && !map.data.includes(INSIDE)) throw expected(`${INSIDE} inside of the mask`, file, other);
    masks.push(runsOfCounts(encodeRle(map, { value: INSIDE }), size, file));
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
    if (!Array.isArray(stored) || !(typeof counts === "string" || Array.isArray(counts))) {
      throw expected("a segmentation with size and counts", name, entry);
    }
    assertSize({ height: Number(stored[0]), width: Number(stored[1]) }, size, name);
    return runsOfCounts(counts as string | number[], size, name);
  });
}

function assertSize(found: MaskSize, { width, height }: MaskSize, file: string): void {
  if (found.width === width && found.height === height) return;
  throw expected(`${width}×${height}, the label map's size,`, file, `${found.width}×${found.height}`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
