/** What the preparations of published data sets have in common: files placed, lists and tags written, and what came of it. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { CsrmError, expected } from "../../errors.ts";
import { linkFileSync, readError, readFileBytes, writeFileAtomic } from "../../files.ts";
import type { Progress } from "../../progress.ts";
import { type OfficialName, officialSets, sizeDifference } from "../official.ts";

export interface PrepareOptions {
  /** Folder of the unpacked official archives; nothing in it is changed. */
  from: string;
  /** Folder to be made in VOC layout; the same call goes on where an earlier one stopped. */
  out: string;
  /** Copies photographs instead of giving them a second name by a hard link (default: link, and copy where that fails). */
  copy?: boolean;
  /** Begin anew; what is there is kept beside it. */
  fresh?: boolean;
  progress: Progress;
}

/** One list as it was written, beside what the official one has. */
export interface PreparedList {
  name: string;
  images: number;
  /** Images of the official list; absent where there is none of that name. */
  official?: number;
}

export interface Prepared {
  dataset: OfficialName;
  out: string;
  /** Images in all lists together. */
  images: number;
  /** Images that were done by an earlier call. */
  resumed: number;
  /** Files that this call gave a second name or copied. */
  files: { linked: number; copied: number };
  lists: PreparedList[];
  /** Where the tags in tags.csv come from, in images. */
  tags: Record<string, number>;
  notes: string[];
}

/** Part of the stamp, to be raised with every change that alters a mask, a list or a tag. */
export const PREPARATION = 1;

/** Puts files in place, by hard links unless they are to be copied or links are impossible, and counts both. */
export class Placer {
  readonly counts = { linked: 0, copied: 0 };
  readonly #copy: boolean;

  constructor(copy = false) {
    this.#copy = copy;
  }

  /** The folder of `to` must exist. @throws CsrmError naming the file that cannot be read or written */
  async place(from: string, to: string): Promise<void> {
    if (!this.#copy && linkFileSync(from, to)) {
      this.counts.linked++;
      return;
    }
    await writeFileAtomic(to, await readFileBytes(from));
    this.counts.copied++;
  }
}

/** Writes ImageSets/Segmentation/<name>.txt, one id a line. */
export async function writeList(out: string, name: string, ids: readonly string[]): Promise<void> {
  await writeFileAtomic(join(out, "ImageSets", "Segmentation", `${name}.txt`), ids.map((id) => `${id}\n`).join(""));
}

/** Writes tags.csv. @param tags names of present classes by id; none: none of the classes is present */
export async function writeTags(out: string, tags: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const rows = Array.from(tags, ([id, names]) => `${id}.jpg,${tagCell(names)}\n`);
  await writeFileAtomic(join(out, "tags.csv"), `image,tags\n${rows.join("")}`);
}

// Names such as "traffic light" must not be split at their spaces, not even by a reader that knows no class table.
function tagCell(names: readonly string[]): string {
  if (names.length === 1) return /\s/.test(names[0]!) ? `${names[0]};` : names[0]!;
  return names.join(";");
}

/** The lists beside their official sizes, and a note on each that differs from it or is absent. */
export function compareLists(
  dataset: OfficialName,
  lists: ReadonlyMap<string, readonly string[]>,
): { lists: PreparedList[]; notes: string[] } {
  const official = officialSets[dataset].lists;
  const notes = Object.keys(official).flatMap((name) => sizeDifference(dataset, name, lists.get(name)?.length) ?? []);
  const made = Array.from(lists, ([name, ids]) => {
    const images = official[name]?.images;
    return { name, images: ids.length, ...(images === undefined ? {} : { official: images }) };
  });
  return { lists: made, notes };
}

/** @param option the option that names the folder @throws CsrmError where it is absent or no folder */
export function requireFolder(path: string, option: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new CsrmError(`no such folder: ${path} (${option})`, { code: "file", cause: error });
    }
    throw readError(path, error);
  }
  if (!isFolder) throw expected("a folder", option, path);
}

/** The first of several places that serves. @throws CsrmError (code "data") saying what to put where */
export function findFolder(places: readonly string[], serves: (folder: string) => boolean, fix: string): string {
  const found = places.find(serves);
  if (found !== undefined) return found;
  throw new CsrmError(`${fix} (looked in ${places.join(", ")})`, { code: "data" });
}
