/**
 * Image-level labels from "CVAT for images 1.1". Only labels are read, those of tags as well as those of boxes, polygons,
 * masks and the like, never where these are: nothing that trains may see where an object is.
 */

import { CsrmError, expected } from "../errors.ts";
import { xmlTags } from "../formats/xml.ts";
import { plainPath, type TagEntry } from "./tag-entries.ts";

/**
 * One entry an image of the file, named by its `name`; an image in which nothing is marked shows none of the classes.
 * @throws CsrmError (code "data" or "expected") with the line: damaged XML, other XML, an image without a name, a mark without a label
 */
export function cvatEntries(text: string, file: string): TagEntry[] {
  const entries: TagEntry[] = [];
  let root: string | null = null;
  let names = new Set<string>();
  for (const { kind, name, attributes, path, line } of xmlTags(text, file)) {
    const where = `${file}, line ${line}`;
    if (root === null) {
      if (name !== "annotations") throw expected("CVAT's <annotations>", where, `<${name}>`, rootFix(name));
      root = name;
    }
    if (kind === "close") continue;
    if (path.length === 1 && name === "track") {
      throw new CsrmError(`${where}: it is of a video (<track>); export it as "CVAT for images 1.1"`, { code: "data" });
    }
    if (path.length === 1 && name === "image") {
      const image = attributes.get("name");
      if (!image) throw new CsrmError(`${where}: an <image> has no name`, { code: "data" });
      names = new Set();
      entries.push({ image: plainPath(image), names, file, place: `line ${line}` });
    }
    // One deeper lie attributes, and the points of skeletons, whose labels are those of parts.
    if (path.length === 2 && path[1] === "image") {
      const label = attributes.get("label")?.trim();
      if (!label) throw new CsrmError(`${where}: a <${name}> has no label`, { code: "data" });
      names.add(label);
    }
  }
  if (root === null) throw expected("CVAT's <annotations>", file, "no element at all");
  return entries;
}

function rootFix(name: string): string | undefined {
  return name === "annotation" ? "it looks like VOC's; name the folder that holds such files" : undefined;
}
