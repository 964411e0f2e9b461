/**
 * Image-level labels from labelme's files, one an image, beside the images or in a folder of their own. Only the labels of
 * shapes and the flags of the image are read, never a shape's points: nothing that trains may see where an object is.
 */

import { basename, dirname, join, relative, resolve } from "node:path";
import { expected } from "../errors.ts";
import { readTextSync } from "../files.ts";
import { parseJson } from "../formats/json.ts";
import { isStamp } from "../stamped-folder.ts";
import { imageId, listImages } from "./image-files.ts";
import { plainPath, type TagEntry } from "./tag-entries.ts";
import type { ImageList } from "./voc.ts";

/** Labels that labelme itself takes for no class. */
const NO_CLASS = new Set(["__ignore__", "_background_"]);

/** Whether an object is meant as a file of labelme. */
export function isLabelme(content: object): boolean {
  return "shapes" in content && "imagePath" in content;
}

/** The .json files below a folder that may be labelme's, hidden ones left out; sorted. */
export function labelmeFiles(folder: string): string[] {
  return listImages(folder).others.filter((name) => name.toLowerCase().endsWith(".json") && !isStamp(name));
}

/** Reads all files of labelme below a folder. @throws CsrmError (code "data" or "expected") naming the file that is none */
export function labelmeEntries(folder: string, pictures: Pick<ImageList, "files">): TagEntry[] {
  const find = finder(pictures, folder);
  return labelmeFiles(folder).map((name) => {
    const file = join(folder, name);
    return entryOf(parseJson(readTextSync(file), file), file, find);
  });
}

/** What one file of labelme says. */
export function labelmeEntry(content: object, file: string, pictures: Pick<ImageList, "files">): TagEntry {
  return entryOf(content, file, finder(pictures, dirname(file)));
}

function entryOf(content: unknown, file: string, find: (file: string, imagePath: string) => string): TagEntry {
  const { shapes, imagePath, flags } = (typeof content === "object" && content !== null ? content : {}) as Record<
    string,
    unknown
  >;
  if (!Array.isArray(shapes) || typeof imagePath !== "string") {
    throw expected("shapes and imagePath, as labelme writes them,", file, content);
  }
  const names = new Set<string>();
  for (const [i, shape] of shapes.entries()) {
    const label: unknown = shape?.label;
    if (typeof label !== "string" || label.trim() === "") throw expected("a label", `${file}, shapes[${i}]`, label);
    if (!NO_CLASS.has(label.trim())) names.add(label.trim());
  }
  for (const [flag, raised] of Object.entries(flags ?? {})) if (raised === true) names.add(flag.trim());
  return { image: find(file, plainPath(imagePath)), names, file, place: "" };
}

/**
 * Finds the image a file is about: the one its imagePath leads to from where the file lies; else, where files were moved away
 * from the images, that of the same name in the folder that corresponds to the file's.
 */
function finder({ files }: Pick<ImageList, "files">, folder: string): (file: string, imagePath: string) => string {
  const byPath = new Map([...files].map(([id, path]) => [resolve(path), id]));
  return (file, imagePath) => {
    const direct = byPath.get(resolve(dirname(file), imagePath));
    if (direct !== undefined) return direct;
    const moved = plainPath(join(relative(folder, dirname(file)), basename(imagePath)));
    return files.has(imageId(moved) ?? moved) ? moved : imagePath;
  };
}
