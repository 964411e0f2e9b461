/** Folders of label maps that were predicted or refined, and the photographs they belong to. */
import { CsrmError, expected } from "../errors.ts";
import { listImages } from "./image-files.ts";

/** The ids of all label maps `<id>.png` below a folder. @throws CsrmError when it cannot be read or holds none */
export function labelIds(labels: string): string[] {
  const ids = [...listImages(labels).byId].flatMap(([id, file]) => (file.endsWith(".png") ? [id] : []));
  if (ids.length === 0) throw expected("label maps (<id>.png)", labels, "none");
  return ids;
}

/**
 * The photographs of label maps by id.
 * @param images a folder, or the photographs of a data set
 * @throws CsrmError naming the first label map without one, and how many there are
 */
export function imagesOf(
  images: string | { samples: readonly { id: string; image: string }[] },
  ids: readonly string[],
): ReadonlyMap<string, string> {
  const files =
    typeof images === "string"
      ? listImages(images).byId
      : new Map(images.samples.map((sample) => [sample.id, sample.image]));
  const missing = ids.filter((id) => !files.has(id));
  if (missing.length > 0) {
    const where = typeof images === "string" ? images : "the data set";
    const others = missing.length > 1 ? `; ${missing.length} of ${ids.length} label maps have none` : "";
    throw new CsrmError(`no image for label map ${missing[0]} in ${where}${others}`, { code: "data" });
  }
  return files;
}
