/** What a tag file of any kind says, image by image, and how that becomes vectors of the images that exist. */

import { CsrmError, expected } from "../errors.ts";
import { tagIndex } from "./classes.ts";
import { imageId } from "./image-files.ts";
import type { ClassTable } from "./types.ts";

/** Multi-hot vectors over all foreground classes by image id; an image that is not in it is unlabelled. */
export type TagMap = Map<string, Uint8Array>;

/** One image of a tag file. Class names only: no reader of tags looks at shapes, boxes or masks. */
export interface TagEntry {
  /** Path below the folder of images, with "/" between folders, with or without extension. */
  image: string;
  /** Names of its classes, repeats allowed; none: none of the classes is present. */
  names: Iterable<string>;
  /** The file that says so, and where in it ("line 3"; empty where the file tells of this image alone). */
  file: string;
  place: string;
}

/**
 * Vectors of the images that exist; entries about others are returned as `unmatched`.
 * @throws CsrmError (code "data") naming file and place of an unknown class or of a second entry about an image
 */
export function matchEntries(
  entries: Iterable<TagEntry>,
  classes: ClassTable,
  ids: Iterable<string>,
): { tags: TagMap; unmatched: string[] } {
  const known = new Set(ids);
  // Some systems write an é as one character and some as two.
  const composed = new Map([...known].map((id) => [id.normalize(), id]));
  const there = (name: string) => (known.has(name) ? name : composed.get(name.normalize()));
  const tags: TagMap = new Map();
  const places = new Map<string, string>();
  const unmatched: string[] = [];
  for (const entry of entries) {
    const { image, names } = entry;
    const where = whereOf(entry);
    const vector = new Uint8Array(classes.ids.length - 1);
    for (const name of names) vector[tagIndex(classes, name, where)] = 1;
    const bare = imageId(image) ?? image;
    const id = there(image) ?? there(bare) ?? bare;
    const before = places.get(id);
    if (before !== undefined) {
      throw new CsrmError(`${where}: ${before} already tells of ${image}; say all its tags in one place`, {
        code: "data",
      });
    }
    places.set(id, entry.place || entry.file);
    if (known.has(id)) tags.set(id, vector);
    else unmatched.push(image);
  }
  return { tags, unmatched };
}

/** All class names that occur, sorted: the classes of images that come without a class table. */
export function namesIn(entries: Iterable<TagEntry>, source: string): string[] {
  const names = new Set<string>();
  for (const entry of entries) for (const name of entry.names) names.add(name);
  if (names.size === 0) throw expected("at least one tag", source, "none");
  // Ids are a byte in label maps, and 255 means not annotated.
  if (names.size > 254) {
    throw expected(
      "at most 254 different tags",
      source,
      names.size,
      "name those to learn in a file of lines `id name` (--classes)",
    );
  }
  return [...names].sort();
}

/** An image's name as people and programs write it: with "\" between folders, or "./" before it. */
export function plainPath(image: string): string {
  return image.trim().replaceAll("\\", "/").replace(/^\.\//, "");
}

function whereOf({ file, place }: TagEntry): string {
  return place === "" ? file : `${file}, ${place}`;
}
