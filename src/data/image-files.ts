/** The pictures below a folder by id: their path without the extension, with "/" between folders. */

import fs from "node:fs";
import { extname, join } from "node:path";
import { CsrmError } from "../errors.ts";
import { readError } from "../files.ts";
import { IMAGE_EXTENSIONS } from "./image.ts";

export interface ImageFiles {
  /** Absolute paths by id, in the order of the ids. */
  byId: Map<string, string>;
  /** Files with other extensions, hidden ones left out. */
  others: string[];
}

/**
 * Lists a folder and the folders below it. Hidden files are left out; links are followed.
 * @throws CsrmError (code "data") when the folder cannot be read or two files have the same id
 */
export function listImages(root: string): ImageFiles {
  const paths: string[] = [];
  walk(root, "", paths);
  const found = new Map<string, string>();
  const others: string[] = [];
  for (const path of paths.sort()) {
    const id = imageId(path);
    if (id === null) {
      others.push(path);
      continue;
    }
    const before = found.get(id);
    if (before !== undefined) {
      const message = `${join(root, before)} and ${join(root, path)} would both be called "${id}"; rename one of them`;
      throw new CsrmError(message, { code: "data" });
    }
    found.set(id, path);
  }
  const ids = [...found.keys()].sort();
  return { byId: new Map(ids.map((id) => [id, join(root, found.get(id)!)])), others };
}

/** A path without its picture extension; null when it has none. */
export function imageId(path: string): string | null {
  const ending = extname(path);
  return IMAGE_EXTENSIONS.includes(ending.toLowerCase()) ? path.slice(0, -ending.length) : null;
}

function walk(root: string, below: string, paths: string[]): void {
  const folder = join(root, below);
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw readError(folder, error);
  }
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const path = below === "" ? entry.name : `${below}/${entry.name}`;
    const target = entry.isSymbolicLink() ? fs.statSync(join(root, path), { throwIfNoEntry: false }) : entry;
    // A linked folder that leads back to one of its parents would never end: links are followed only to files.
    if (target?.isDirectory() && !entry.isSymbolicLink()) walk(root, path, paths);
    else if (target?.isFile()) paths.push(path);
  }
}
