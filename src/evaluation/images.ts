/** Sizes of photographs, to check masks against: read from their headers, without decoding pixels. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { CsrmError, messageOf } from "../errors.ts";

const EXTENSIONS = [".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG"] as const;

/** The file of an image in a folder of photographs, whatever its extension; null when there is none. */
export function imageFile(dir: string, id: string): string | null {
  const extension = EXTENSIONS.find((candidate) => existsSync(join(dir, id + candidate)));
  return extension === undefined ? null : join(dir, id + extension);
}

/**
 * Width and height as a person sees the image, its EXIF orientation applied.
 * @throws CsrmError naming the folder and the image when it is missing, or the file when it is damaged
 */
export async function imageSize(dir: string, id: string): Promise<{ width: number; height: number }> {
  const file = imageFile(dir, id);
  if (file === null) {
    throw new CsrmError(`no image ${id} in ${dir}: expected one of ${EXTENSIONS.join(", ")}`, { code: "data" });
  }
  try {
    const { width, height } = (await sharp(file).metadata()).autoOrient;
    return { width, height };
  } catch (error) {
    throw new CsrmError(`cannot read ${file} as an image: ${messageOf(error)}`, { code: "data", cause: error });
  }
}
