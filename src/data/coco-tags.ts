/**
 * Image-level labels from COCO's annotations. Only the category of an annotation is read, never its box, polygon or mask:
 * nothing that trains may see where an object is.
 */

import { CsrmError, expected, show } from "../errors.ts";
import { plainPath, type TagEntry } from "./tag-entries.ts";

const PARTS = ["images", "annotations", "categories"] as const;

/** Whether an object is meant as COCO's annotations: one of their three lists, of objects, is there. */
export function isCoco(content: object): boolean {
  return PARTS.some((part) => {
    const list = (content as Record<string, unknown>)[part];
    return Array.isArray(list) && list.some((item) => typeof item === "object");
  });
}

/**
 * One entry an image of the file, named by its `file_name`, with the names of all categories that annotations give it,
 * crowds included; an image without annotations shows none of the classes.
 * @throws CsrmError (code "data" or "expected") naming the part of the file that is missing or points to nothing
 */
export function cocoEntries(content: object, file: string): TagEntry[] {
  const [images, annotations, categories] = PARTS.map((part) => {
    const list = (content as Record<string, unknown>)[part];
    if (!Array.isArray(list)) throw expected("lists of images, annotations and categories", file, `no list of ${part}`);
    return list as Record<string, unknown>[];
  }) as [Record<string, unknown>[], Record<string, unknown>[], Record<string, unknown>[]];
  const names = new Map<unknown, string>();
  for (const [i, category] of categories.entries()) {
    const { id, name } = category ?? {};
    const where = `${file}, categories[${i}]`;
    if (id === undefined || typeof name !== "string" || name.trim() === "")
      throw expected("id and name", where, category);
    if (names.has(id)) throw expected("ids that occur once", where, id);
    names.set(id, name.trim());
  }
  const found = new Map<unknown, { entry: TagEntry; names: Set<string> }>();
  for (const [i, image] of images.entries()) {
    const { id, file_name: path } = image ?? {};
    const place = `images[${i}]`;
    if (id === undefined || typeof path !== "string") throw expected("id and file_name", `${file}, ${place}`, image);
    if (found.has(id)) throw expected("ids that occur once", `${file}, ${place}`, id);
    const tags = new Set<string>();
    found.set(id, { entry: { image: plainPath(path), names: tags, file, place }, names: tags });
  }
  for (const [i, annotation] of annotations.entries()) {
    const { image_id: image, category_id: category } = annotation ?? {};
    const seen = found.get(image);
    const name = names.get(category);
    if (seen === undefined) throw pointsNowhere({ file, i, key: "image_id", value: image, list: "images" });
    if (name === undefined) throw pointsNowhere({ file, i, key: "category_id", value: category, list: "categories" });
    seen.names.add(name);
  }
  return [...found.values()].map(({ entry }) => entry);
}

function pointsNowhere(fault: { file: string; i: number; key: string; value: unknown; list: string }): CsrmError {
  const { file, i, key, value, list } = fault;
  return new CsrmError(`${file}, annotations[${i}]: its ${key} ${show(value)} is none of the file's ${list}`, {
    code: "data",
  });
}
