/** The photographs that `csrm predict` is given: a folder, some of a folder, or a single file, with the tags that go with them. */
import { statSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import { openDataset } from "../data/dataset.ts";
import { openFolder } from "../data/folder.ts";
import { imageId } from "../data/image-files.ts";
import { type TagMap, tagsFromAnnotations, tagsFromCsv, tagsFromNpy } from "../data/tags.ts";
import type { ClassTable, Dataset } from "../data/types.ts";
import { expected } from "../errors.ts";
import { readError } from "../files.ts";

export interface PhotographOptions {
  /** A folder or one picture. */
  images: string;
  /** A list of ids, one a line; null: every picture in the folder. */
  ids: string | null;
  /** tags.csv, cls_labels.npy or a folder of VOC's XML; null: no tags. */
  tags: string | null;
  /** The table whose names the tags use, where it is more than the network's; null: the network's. */
  table: string | null;
}

/**
 * Opens photographs as a data set of the network's classes.
 * @param classes those of the network
 * @throws CsrmError for absent files, a folder without pictures, and tags that name no class
 */
export async function openPhotographs(options: PhotographOptions, classes: ClassTable): Promise<Dataset> {
  const path = resolve(options.images);
  const isFolder = isDirectory(path);
  const tags = options.tags === null ? null : resolve(options.tags);
  if (tags !== null && options.table !== null && isFolder) {
    const subset = classes.names.slice(1);
    return openDataset({ layout: "folder", root: path, list: options.ids, tags, classes: options.table, subset });
  }
  const { ids, files } = isFolder ? openFolder(path, options.ids) : onePicture(path);
  const known: TagMap = tags === null ? new Map() : await readTags(tags, classes, ids);
  return {
    name: basename(path),
    root: isFolder ? path : dirname(path),
    classes,
    samples: ids.map((id) => ({ id, image: files.get(id)!, tags: known.get(id) ?? null })),
  };
}

function onePicture(path: string): { ids: string[]; files: Map<string, string> } {
  const id = imageId(basename(path));
  if (id === null) throw expected("a picture or a folder of pictures", "--images", path);
  return { ids: [id], files: new Map([[id, path]]) };
}

async function readTags(source: string, classes: ClassTable, ids: string[]): Promise<TagMap> {
  if (isDirectory(source)) {
    const tags = tagsFromAnnotations(source, classes, ids);
    if (tags.size === 0) throw expected(`annotations of the images, e.g. ${ids[0]}.xml,`, source, "none");
    return tags;
  }
  if (extname(source) === ".npy") return tagsFromNpy(source, classes, ids);
  const { tags, unmatched } = tagsFromCsv(source, classes, ids);
  if (tags.size === 0 && unmatched.length > 0) {
    throw expected(
      `rows about the images, e.g. ${ids[0]},`,
      source,
      `${unmatched.length} others, e.g. ${unmatched[0]}`,
    );
  }
  return tags;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw readError(path, error);
  }
}
