/** Image-level labels from where images lie: photos/cat/x.jpg shows a cat. */

import { createHash } from "node:crypto";
import fs from "node:fs";
import { basename, resolve } from "node:path";
import type { TagEntry } from "./tag-entries.ts";
import type { ImageList } from "./voc.ts";

/**
 * One entry an image that lies in a folder: the first folder of its path is its class. Files of one name in several class
 * folders that are equal byte for byte are one picture that shows all these classes: each of them gets all tags, since its
 * own folder alone would say that the other classes are absent. Images outside of folders are unlabelled.
 * @returns the entries, and how many images got the tags of others
 */
export function folderEntries({ files }: Pick<ImageList, "files">): { entries: TagEntry[]; shared: number } {
  const byName = new Map<string, string[]>();
  for (const [id, file] of files) {
    if (!id.includes("/")) continue;
    const name = basename(file);
    byName.set(name, [...(byName.get(name) ?? []), id]);
  }
  const entries: TagEntry[] = [];
  let shared = 0;
  for (const ids of byName.values()) {
    for (const equal of ids.length > 1 ? equalFiles(ids, files) : [ids]) {
      const names = new Set(equal.map(folderOf));
      if (names.size > 1) shared += equal.length;
      for (const image of equal)
        entries.push({ image, names, file: rootOf(files.get(image)!, image), place: "its folders" });
    }
  }
  return { entries, shared };
}

/** Ids in groups of files with equal bytes; one that does not exist is alone. */
function equalFiles(ids: readonly string[], files: ReadonlyMap<string, string>): string[][] {
  const groups = new Map<string, string[]>();
  const sizes = new Map(ids.map((id) => [id, fs.statSync(files.get(id)!, { throwIfNoEntry: false })?.size]));
  for (const id of ids) {
    const file = files.get(id)!;
    const size = sizes.get(id);
    // Most files of one name differ in size already, and are not read.
    const alone = size === undefined || [...sizes.values()].filter((other) => other === size).length === 1;
    const key = alone ? id : createHash("sha256").update(fs.readFileSync(file)).digest("hex");
    groups.set(key, [...(groups.get(key) ?? []), id]);
  }
  return [...groups.values()];
}

function folderOf(id: string): string {
  return id.slice(0, id.indexOf("/"));
}

/** The folder that an image's id begins in, for messages. */
function rootOf(file: string, id: string): string {
  return resolve(file, ...id.split("/").map(() => ".."));
}
