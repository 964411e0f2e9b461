/** Photographs beside predictions and masks: where they are, and their sizes to check masks against. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, parse } from "node:path";
import { IMAGE_EXTENSIONS, imageSize } from "../data/image.ts";
import type { Sample } from "../data/types.ts";
import { CsrmError } from "../errors.ts";

/** The file of an image in a folder of photographs, whatever its extension and that one's case; null when there is none. */
export function imageFile(dir: string, id: string): string | null {
  const usual = IMAGE_EXTENSIONS.find((ending) => existsSync(join(dir, id + ending)));
  if (usual !== undefined) return join(dir, id + usual);
  const file = join(dir, id);
  if (!existsSync(dirname(file))) return null;
  const other = readdirSync(dirname(file)).find((name) => {
    const { name: stem, ext } = parse(name);
    return stem === basename(file) && IMAGE_EXTENSIONS.includes(ext.toLowerCase());
  });
  return other === undefined ? null : join(dirname(file), other);
}

/** The folder below which a data set's image is found by its id, which may hold folders itself. */
export function imageRoot({ id, image }: Sample): string {
  const { dir, name } = parse(image);
  return join(dir, name).slice(0, -id.length) || ".";
}

/** Width and height of an image in a folder of photographs. @throws CsrmError naming a missing or damaged image */
export async function sizeOfImage(dir: string, id: string): Promise<{ width: number; height: number }> {
  const file = imageFile(dir, id);
  if (file !== null) return await imageSize(file);
  throw new CsrmError(`no image ${id} in ${dir}: expected ${id} with one of ${IMAGE_EXTENSIONS.join(", ")}`, {
    code: "data",
  });
}
