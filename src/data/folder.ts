/** The layout for own pictures: a folder of them, folders below it included, and perhaps a list of some. */

import { CsrmError } from "../errors.ts";
import { IMAGE_EXTENSIONS } from "./image.ts";
import { listImages } from "./image-files.ts";
import { type ImageList, readList } from "./voc.ts";

/**
 * The pictures of a folder.
 * @param list a text file of ids (paths below the folder, with or without extension); null: every picture
 * @throws CsrmError naming the folder when it holds no picture, and what it holds instead
 */
export function openFolder(root: string, list: string | null): ImageList {
  const { byId, others } = listImages(root);
  if (byId.size === 0) {
    const endings = IMAGE_EXTENSIONS.map((ending) => ending.slice(1)).join(", ");
    const instead = others.length > 0 ? `, only ${others.length} other files such as ${others[0]}` : "; it is empty";
    throw new CsrmError(`no pictures (${endings}) in ${root}${instead}`, { code: "data" });
  }
  if (list === null) return { ids: [...byId.keys()], files: byId, missing: [] };
  const ids = readList(list, (id) => byId.has(id));
  const missing = ids.filter((id) => !byId.has(id));
  for (const id of missing) byId.set(id, `${root}/${id}.jpg`);
  return { ids, files: byId, missing };
}
