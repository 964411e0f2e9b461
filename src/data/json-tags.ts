/** Image-level labels from JSON: our own two plain forms, and whatever else a JSON file turns out to be. */

import { CsrmError, expected, show } from "../errors.ts";
import { parseJson, repeatedKey } from "../formats/json.ts";
import { cocoEntries, isCoco } from "./coco-tags.ts";
import { isLabelme, labelmeEntry } from "./labelme-tags.ts";
import { plainPath, type TagEntry } from "./tag-entries.ts";
import type { ImageList } from "./voc.ts";

/** What may stand in a JSON file of tags, for messages. */
export const JSON_FORMS =
  '{"photo.jpg": ["cat", …], …}, [{"image": "photo.jpg", "tags": ["cat", …]}, …] or COCO\'s annotations';

/**
 * Reads a JSON file: an object from images to lists of tags, a list of objects with `image` and `tags`, COCO's annotations,
 * or what labelme wrote about one image.
 * @returns the entries, and whether the file also lists images that nobody may have looked at
 * @throws CsrmError (code "data" or "expected") with line and column where it is no JSON, else with the entry
 */
export function jsonEntries(
  text: string,
  file: string,
  pictures: Pick<ImageList, "files">,
): { entries: TagEntry[]; listsAll: boolean } {
  const content = parseJson(text, file);
  if (Array.isArray(content)) return { entries: content.map((item, i) => listEntry(item, i, file)), listsAll: false };
  if (typeof content !== "object" || content === null) throw expected(JSON_FORMS, file, content);
  if (isCoco(content)) return { entries: cocoEntries(content, file), listsAll: true };
  if (isLabelme(content)) return { entries: [labelmeEntry(content, file, pictures)], listsAll: false };
  const twice = repeatedKey(text);
  if (twice !== null) {
    const message = `${file}, line ${twice.line}: ${show(twice.key)} stands there twice; say all its tags in one place`;
    throw new CsrmError(message, { code: "data" });
  }
  const entries = Object.entries(content).map(([image, tags]): TagEntry => {
    const place = `entry ${show(image)}`;
    return { image: plainPath(image), names: tagList(tags, `${file}, ${place}`), file, place };
  });
  return { entries, listsAll: false };
}

function listEntry(item: unknown, index: number, file: string): TagEntry {
  const place = `entry ${index + 1}`;
  const { image, tags } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>;
  if (typeof image !== "string" || tags === undefined) {
    throw expected('{"image": "photo.jpg", "tags": ["cat", …]}', `${file}, ${place}`, item);
  }
  return { image: plainPath(image), names: tagList(tags, `${file}, ${place}`), file, place };
}

function tagList(tags: unknown, where: string): string[] {
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === "string")) {
    const fix = typeof tags === "string" ? `write ${show([tags])}` : "leave the image out if its tags are not known";
    throw expected('a list of tags such as ["cat", "dog"]', where, tags, fix);
  }
  const names = tags.map((tag: string) => tag.trim());
  const empty = names.indexOf("");
  if (empty >= 0) {
    const message = `${where}: name ${empty + 1} of ${show(tags)} is empty; leave it out, or write [] where no class is present`;
    throw new CsrmError(message, { code: "data" });
  }
  return names;
}
