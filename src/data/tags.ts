/** Image-level labels as multi-hot vectors, from a tags.csv, VOC's Annotations or a cls_labels.npy. */

import fs from "node:fs";
import { join } from "node:path";
import { CsrmError, expected } from "../errors.ts";
import { readFileBytes, readTextSync } from "../files.ts";
import { parseCsv } from "../formats/csv.ts";
import { readNpyObject } from "../formats/npy.ts";
import { PickledArray } from "../formats/pickle-numpy.ts";
import { tagIndex } from "./classes.ts";
import { imageId } from "./image-files.ts";
import type { ClassTable } from "./types.ts";
import { objectNames } from "./voc-annotation.ts";

/** Multi-hot vectors over all foreground classes by image id; an image that is not in it is unlabelled. */
export type TagMap = Map<string, Uint8Array>;

interface TagRow {
  /** The first cell, with "/" between folders. */
  image: string;
  tags: string;
  line: number;
}

/**
 * Reads a tags.csv: header `image,tags`; the image with or without extension; tags split at ";" if there is one, else at
 * white space, unless the whole cell is one class; an empty cell: none of the classes is present.
 * @param ids the images that exist; rows about others are returned as `unmatched`
 * @throws CsrmError (code "data") with the line of an unknown tag, a second row about an image or a malformed row
 */
export function tagsFromCsv(
  path: string,
  classes: ClassTable,
  ids: Iterable<string>,
): { tags: TagMap; unmatched: string[] } {
  const known = new Set(ids);
  const tags: TagMap = new Map();
  const lines = new Map<string, number>();
  const unmatched: string[] = [];
  for (const { image, tags: cell, line } of tagRows(path)) {
    const where = `${path}, line ${line}`;
    const vector = new Uint8Array(classes.ids.length - 1);
    for (const name of splitTags(cell, where, classes)) vector[tagIndex(classes, name, where)] = 1;
    const id = known.has(image) ? image : (imageId(image) ?? image);
    const before = lines.get(id);
    if (before !== undefined) {
      const message = `${where}: line ${before} already tells of ${image}; put all its tags into one row`;
      throw new CsrmError(message, { code: "data" });
    }
    lines.set(id, line);
    if (known.has(id)) tags.set(id, vector);
    else unmatched.push(image);
  }
  return { tags, unmatched };
}

/** All tags that occur in a tags.csv, sorted: the classes of a folder that comes without a class table. */
export function tagNames(path: string): string[] {
  const names = new Set<string>();
  for (const { tags, line } of tagRows(path)) {
    for (const name of splitTags(tags, `${path}, line ${line}`)) names.add(name);
  }
  if (names.size === 0) throw expected("at least one tag", path, "none");
  // Ids are a byte in label maps, and 255 means not annotated.
  if (names.size > 254) {
    throw expected(
      "at most 254 different tags",
      path,
      names.size,
      "name those to learn in a file of lines `id name` (--classes)",
    );
  }
  return [...names].sort();
}

/**
 * Reads `<folder>/<id>.xml`, VOC's annotations; an image without such a file is unlabelled.
 * @throws CsrmError (code "data") naming the file and the unknown class
 */
export function tagsFromAnnotations(folder: string, classes: ClassTable, ids: Iterable<string>): TagMap {
  const tags: TagMap = new Map();
  for (const id of ids) {
    const file = join(folder, `${id}.xml`);
    if (!fs.existsSync(file)) continue;
    const vector = new Uint8Array(classes.ids.length - 1);
    for (const name of objectNames(readTextSync(file), file)) vector[tagIndex(classes, name, file)] = 1;
    tags.set(id, vector);
  }
  return tags;
}

/**
 * Reads a cls_labels.npy: a pickled dictionary from image names or numbers (2007000032 for 2007_000032, 42 for
 * COCO_val2014_000000000042) to vectors of 0 and 1, one entry a foreground class.
 * @throws CsrmError (code "data") naming the file and the entry that does not fit the classes
 */
export async function tagsFromNpy(path: string, classes: ClassTable, ids: Iterable<string>): Promise<TagMap> {
  const labels = readNpyObject(await readFileBytes(path), path);
  if (!(labels instanceof Map)) throw expected("a dictionary of label vectors", path, typeof labels);
  const tags: TagMap = new Map();
  for (const id of ids) {
    const key = [id, ...numericKeys(id)].find((candidate) => labels.has(candidate));
    if (key !== undefined) tags.set(id, multiHot(labels.get(key), classes.ids.length - 1, `${path}, entry ${key}`));
  }
  return tags;
}

function tagRows(path: string): TagRow[] {
  const [header, ...rows] = parseCsv(readTextSync(path), path);
  const titles = header?.cells.map((cell) => cell.trim().toLowerCase()).join(",");
  if (titles !== "image,tags") {
    const got = header?.cells.join(",") ?? "";
    throw expected("the header image,tags", `${path}, line 1`, got, headerFix(got));
  }
  return rows.map(({ cells, line }) => {
    const [image, tags] = cells;
    if (tags === undefined) throw expected("`image,tags`", `${path}, line ${line}`, cells.join(","), "add a comma");
    if (cells.length > 2) {
      throw expected("`image,tags`", `${path}, line ${line}`, cells.join(","), "separate tags by ; or spaces");
    }
    if (tags.includes("\uFFFD") || image!.includes("\uFFFD")) {
      throw expected("UTF-8 text", `${path}, line ${line}`, cells.join(","), "save the file as UTF-8");
    }
    return { image: image!.trim().replaceAll("\\", "/").replace(/^\.\//, ""), tags: tags.trim(), line };
  });
}

/** What spreadsheets write instead of commas and UTF-8. */
function headerFix(got: string): string | undefined {
  if (got.includes("\0") || got.includes("\uFFFD")) return "save the file as UTF-8 text";
  if (/^\s*image\s*[;\t]\s*tags\s*$/i.test(got)) return "separate the columns by a comma, the tags by ; or spaces";
  return undefined;
}

function splitTags(cell: string, where: string, classes?: ClassTable): string[] {
  if (cell === "") return [];
  if (classes?.names.includes(cell)) return [cell];
  if (cell.includes(",") && !cell.includes(";")) {
    throw expected("tags separated by ; or spaces", where, cell, "end a tag that has a comma itself with ;");
  }
  const parts = cell.includes(";") ? cell.split(";").map((part) => part.trim()) : cell.split(/\s+/);
  return parts.filter((part) => part !== "");
}

function numericKeys(id: string): (string | number)[] {
  const voc = /^(\d{4})_(\d{6})$/.exec(id);
  if (voc) return [Number(voc[1]! + voc[2]!)];
  const coco = /(?:^|_)(\d+)$/.exec(id);
  return coco ? [Number(coco[1]), coco[1]!] : [];
}

function multiHot(value: unknown, length: number, where: string): Uint8Array {
  const numbers = value instanceof PickledArray ? value.data : value;
  if (!Array.isArray(numbers) && !ArrayBuffer.isView(numbers)) throw expected("a vector", where, value);
  const entries = Array.from(numbers as ArrayLike<unknown>, Number);
  if (entries.length !== length) throw expected(`${length} entries, one a class,`, where, entries.length);
  const odd = entries.find((entry) => entry !== 0 && entry !== 1);
  if (odd !== undefined) throw expected("entries of 0 and 1", where, odd);
  return Uint8Array.from(entries);
}
