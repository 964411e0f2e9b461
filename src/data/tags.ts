/** Image-level labels from a tags.csv, VOC's Annotations or a cls_labels.npy. */

import fs from "node:fs";
import { join } from "node:path";
import { expected } from "../errors.ts";
import { readFileBytes, readTextSync } from "../files.ts";
import { parseCsv } from "../formats/csv.ts";
import { readNpyObject } from "../formats/npy.ts";
import { PickledArray } from "../formats/pickle-numpy.ts";
import { plainPath, type TagEntry, type TagMap } from "./tag-entries.ts";
import type { ClassTable } from "./types.ts";
import { objectNames } from "./voc-annotation.ts";

/**
 * Reads a tags.csv: header `image,tags`; the image with or without extension; tags split at ";" if there is one, else at
 * white space, unless the whole cell is one class; an empty cell: none of the classes is present.
 * @param classes tells which cells are one class whole, where it is known already
 * @throws CsrmError (code "data" or "expected") with the line of a malformed row
 */
export function csvEntries(path: string, classes?: ClassTable): TagEntry[] {
  const [header, ...rows] = parseCsv(readTextSync(path), path);
  const titles = header?.cells.map((cell) => cell.trim().toLowerCase()).join(",");
  if (titles !== "image,tags") {
    const got = header?.cells.join(",") ?? "";
    throw expected("the header image,tags", `${path}, line 1`, got, headerFix(got));
  }
  return rows.map(({ cells, line }) => {
    const where = `${path}, line ${line}`;
    const [image, tags] = cells;
    if (tags === undefined) throw expected("`image,tags`", where, cells.join(","), "add a comma");
    if (cells.length > 2) throw expected("`image,tags`", where, cells.join(","), "separate tags by ; or spaces");
    if (tags.includes("\uFFFD") || image!.includes("\uFFFD")) {
      throw expected("UTF-8 text", where, cells.join(","), "save the file as UTF-8");
    }
    const names = splitTags(tags.trim(), where, classes);
    return { image: plainPath(image!), names, file: path, place: `line ${line}` };
  });
}

/**
 * Reads `<folder>/<id>.xml`, VOC's annotations, of the given images: the names of their objects only. An image without such
 * a file has no entry.
 * @throws CsrmError (code "data") naming a file that is no annotation
 */
export function vocEntries(folder: string, ids: Iterable<string>): TagEntry[] {
  const entries: TagEntry[] = [];
  for (const id of ids) {
    const file = join(folder, `${id}.xml`);
    if (!fs.existsSync(file)) continue;
    entries.push({ image: id, names: objectNames(readTextSync(file), file), file, place: "" });
  }
  return entries;
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
