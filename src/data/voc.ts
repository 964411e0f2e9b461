/** The folder layout of Pascal VOC: lists under ImageSets/Segmentation, pictures in JPEGImages, XML in Annotations. */

import fs from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { suggestion } from "../did-you-mean.ts";
import { CsrmError, expected } from "../errors.ts";
import { readTextSync } from "../files.ts";
import { imageId, listImages } from "./image-files.ts";

const LISTS = join("ImageSets", "Segmentation");

/** Ids and the files they stand for; a file that does not exist is named all the same. */
export interface ImageList {
  ids: string[];
  /** Absolute paths by id. */
  files: Map<string, string>;
  missing: string[];
}

/**
 * The pictures of a list.
 * @param root the folder that holds JPEGImages
 * @param list a name in ImageSets/Segmentation, a path that ends in .txt, or null for every picture in JPEGImages
 * @throws CsrmError naming the list and the lists that exist, or the faulty line
 */
export function openVoc(root: string, list: string | null): ImageList {
  const folder = join(root, "JPEGImages");
  const { byId } = listImages(folder);
  if (byId.size === 0) throw expected("pictures", folder, "none");
  if (list === null) return { ids: [...byId.keys()], files: byId, missing: [] };
  const ids = readList(list.endsWith(".txt") ? list : listFile(root, list), (id) => byId.has(id));
  const missing = ids.filter((id) => !byId.has(id));
  for (const id of missing) byId.set(id, join(folder, `${id}.jpg`));
  return { ids, files: byId, missing };
}

/**
 * The ids of a list file, one a line; blank lines do not count and a picture extension is dropped.
 * @param exists tells that an id is known: only then may it hold spaces, for a line of several words is as a rule no id
 * @throws CsrmError (code "data") with the line of an id that occurs twice or of several words
 */
export function readList(path: string, exists: (id: string) => boolean = () => false): string[] {
  const lines = new Map<string, number>();
  for (const [index, raw] of readTextSync(path)
    .split(/\r\n|\n|\r/)
    .entries()) {
    const text = raw.trim();
    if (text === "") continue;
    const where = `${path}, line ${index + 1}`;
    const id = exists(text) ? text : (imageId(text) ?? text);
    if (/\s/.test(id) && !exists(id)) {
      throw expected("one image id", where, text, "a list names one image a line, without its mask");
    }
    // Results are written under their ids: such a one would land outside of the folder that was asked for.
    if (isAbsolute(id) || id.split(/[\\/]/).includes("..")) {
      throw expected("an image id below the folder of images", where, text, "ids hold no .. and do not begin with /");
    }
    const before = lines.get(id);
    if (before !== undefined) {
      throw new CsrmError(`${where}: ${id} already stands in line ${before}`, { code: "data" });
    }
    lines.set(id, index + 1);
  }
  if (lines.size === 0) throw expected("at least one image id", path, "none");
  return [...lines.keys()];
}

function listFile(root: string, list: string): string {
  const path = join(root, LISTS, `${list}.txt`);
  if (fs.existsSync(path)) return path;
  const folder = dirname(path);
  const names = fs.existsSync(folder) ? fs.readdirSync(folder).filter((file) => file.endsWith(".txt")) : [];
  const lists = names.map((file) => basename(file, ".txt")).sort();
  const known = lists.length > 0 ? `; there are ${lists.join(", ")}` : `; ${folder} holds no lists`;
  throw new CsrmError(`no list ${list} at ${path}${suggestion(list, lists) || known}`, { code: "data" });
}
