/** The photographs that `csrm predict` is given: a folder, some of a folder, or a single file, with the tags that go with them. */
import { statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { missingError, openDataset } from "../data/dataset.ts";
import { openFolder } from "../data/folder.ts";
import { imageId } from "../data/image-files.ts";
import type { TagMap } from "../data/tag-entries.ts";
import { FOLDERS, openTags, type Pictures } from "../data/tag-source.ts";
import type { ClassTable, Dataset } from "../data/types.ts";
import type { ImageList } from "../data/voc.ts";
import { expected } from "../errors.ts";
import { readError } from "../files.ts";

export interface PhotographOptions {
  /** A folder or one picture. */
  images: string;
  /** A list of ids, one a line; null: every picture in the folder. */
  ids: string | null;
  /** "folders", or a file or folder as `openTags` reads them; null: no tags. */
  tags: string | null;
  /** The table whose names the tags use, where it is more than the network's; null: the network's. */
  table: string | null;
}

/**
 * Opens photographs as a data set of the network's classes.
 * @param classes those of the network
 * @throws CsrmError for absent files, a list or table beside a single picture, a folder without pictures, and tags that name no class
 */
export async function openPhotographs(options: PhotographOptions, classes: ClassTable): Promise<Dataset> {
  const path = resolve(options.images);
  const isFolder = isDirectory(path);
  const tags = options.tags === null || options.tags === FOLDERS ? options.tags : resolve(options.tags);
  if (tags !== null && options.table !== null && isFolder) {
    const subset = classes.names.slice(1);
    return openDataset({ layout: "folder", root: path, list: options.ids, tags, classes: options.table, subset });
  }
  if (!isFolder) assertFolderOptions(options);
  const pictures = isFolder ? openFolder(path, options.ids) : onePicture(path);
  if (pictures.missing.length > 0) throw missingError(pictures, options.ids);
  const { ids, files } = pictures;
  const known = tags === null ? null : await readTags(tags, classes, { ids, files });
  return {
    name: basename(path),
    root: isFolder ? path : dirname(path),
    classes,
    samples: ids.map((id) => ({ id, image: files.get(id)!, tags: known?.tags.get(id) ?? null })),
    notes: known?.notes,
  };
}

/** @throws CsrmError for what is given beside a single picture and would mean nothing there */
function assertFolderOptions({ images, ids, table }: PhotographOptions): void {
  for (const [option, value] of Object.entries({ "--ids": ids, "--classes": table })) {
    if (value !== null) throw expected(`a folder of photographs beside ${option}`, "--images", images);
  }
}

function onePicture(path: string): ImageList {
  const id = imageId(basename(path));
  if (id === null) throw expected("a picture or a folder of pictures", "--images", path);
  return { ids: [id], files: new Map([[id, path]]), missing: [] };
}

/** Tags of at least one of the photographs, and what is to be said of them. */
async function readTags(
  source: string,
  classes: ClassTable,
  pictures: Pictures,
): Promise<{ tags: TagMap; notes: string[] }> {
  const opened = openTags(source, pictures);
  const { tags, notes } = await opened.read(classes);
  const { ids } = pictures;
  const without = ids.filter((id) => !tags.has(id)).length;
  if (without === ids.length) throw expected(`tags of the photographs, e.g. of ${ids[0]},`, source, "none");
  if (without > 0) notes.push(`${without} of ${ids.length} photographs get predicted tags: ${opened.unlabelled}`);
  return { tags, notes };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw readError(path, error);
  }
}
