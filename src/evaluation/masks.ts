/** Ground-truth masks, for evaluation only: no other file opens them, and nothing that trains imports this one. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import type { ClassTable } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import { readError, readFileBytes } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import type { LabelMap } from "./confusion.ts";

/** Reads masks of one folder. */
export interface MaskReader {
  readonly dir: string;
  /** Whether an image has a mask. */
  has(id: string): boolean;
  /**
   * The mask of one image as class indices 0…K−1, 255 = not annotated.
   * @param id the image's name in lists
   * @param size the image's size, when known: a mask of another size is an error
   * @throws CsrmError naming the file when it is missing or damaged, has another size, or holds an id that the class
   *   table lacks
   */
  read(id: string, size?: { width: number; height: number }): Promise<LabelMap>;
}

/**
 * A reader of `<dir>/<id>.png`, palette or gray PNGs of dataset ids.
 * @param options.dir folder of masks, e.g. SegmentationClass of Pascal VOC
 * @param options.classes which ids may occur and in which order they are counted
 */
export function maskReader(options: { dir: string; classes: ClassTable }): MaskReader {
  const { dir } = options;
  const toIndices = classIndexer(options.classes);
  return {
    dir,
    has: (id) => existsSync(join(dir, `${id}.png`)),
    async read(id, size) {
      const file = join(dir, `${id}.png`);
      const mask = decodeLabelPng(await readFileBytes(file), file);
      if (size && (mask.width !== size.width || mask.height !== size.height)) {
        throw expected(
          `a mask of the image's size, ${size.width}×${size.height},`,
          file,
          `${mask.width}×${mask.height}`,
        );
      }
      return toIndices(mask, file);
    },
  };
}

/** @throws CsrmError naming the first of these images without a mask in the folder, and how many there are */
export function assertMasks(dir: string, list: string, ids: readonly string[]): void {
  const missing = ids.filter((id) => !existsSync(join(dir, `${id}.png`)));
  if (missing.length === 0) return;
  throw new CsrmError(
    `${missing.length} of the ${ids.length} images of list ${list} have no mask, the first: ${join(dir, `${missing[0]}.png`)}; ` +
      "name lists that have (data.lists.score, data.masks), or none to go without figures",
    { code: "data" },
  );
}

/**
 * The ids of all masks in a folder and below it, sorted.
 * @throws CsrmError when the folder cannot be read or holds no PNG
 */
export async function maskIds(dir: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true }).catch((error: unknown) => {
    throw readError(dir, error);
  });
  const ids = names.filter((name) => name.endsWith(".png")).map((name) => name.slice(0, -".png".length));
  if (ids.length === 0) throw expected("PNG masks", dir, `${names.length} other files`);
  return ids.map((id) => id.split(sep).join("/")).sort();
}
