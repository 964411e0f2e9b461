/** Photographs beside predictions and masks: where they are, and their sizes to check masks against. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { IMAGE_EXTENSIONS, imageSize } from "../data/image.ts";
import { CsrmError } from "../errors.ts";

/** The file of an image in a folder of photographs, whatever its extension; null when there is none. */
export function imageFile(dir: string, id: string): string | null {
  const extension = [...IMAGE_EXTENSIONS, ...IMAGE_EXTENSIONS.map((ending) => ending.toUpperCase())].find((candidate) =>
    existsSync(join(dir, id + candidate)),
  );
  return extension === undefined ? null : join(dir, id + extension);
}

/** Width and height of an image in a folder of photographs. @throws CsrmError naming a missing or damaged image */
export async function sizeOfImage(dir: string, id: string): Promise<{ width: number; height: number }> {
  const file = imageFile(dir, id);
  if (file !== null) return await imageSize(file);
  throw new CsrmError(`no image ${id} in ${dir}: expected ${id} with one of ${IMAGE_EXTENSIONS.join(", ")}`, {
    code: "data",
  });
}
