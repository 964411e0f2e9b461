/** A folder of finished label maps that is to be exported, with what its ids mean and the photographs it belongs to. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import { imageSize } from "../data/image.ts";
import { imagesOf, labelIds } from "../data/label-files.ts";
import type { ClassTable } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import { readFileBytes } from "../files.ts";
import { decodeLabelPng, type LabelMap } from "../formats/indexed-png.ts";

export interface LabelFolder {
  /** Absolute path. */
  dir: string;
  ids: readonly string[];
  /** Where a label map lies. */
  file(id: string): string;
  /** Label ids as they stand in the file. @throws CsrmError naming a file that is missing or damaged */
  read(id: string): Promise<LabelMap>;
}

/** A folder whose ids have names and whose photographs are there. */
export interface NamedLabels extends LabelFolder {
  classes: ClassTable;
  /** Absolute path of the folder of photographs. */
  images: string;
  /** Absolute path of a label map's photograph. */
  image(id: string): string;
  /**
   * Class indices 0…K−1 of the table, 255 = unknown.
   * @throws CsrmError naming the file: an id that the table lacks; a photograph that cannot be read or has another size
   */
  readIndices(id: string): Promise<LabelMap>;
}

/**
 * Opens a folder of label maps.
 * @param ids which; default: all
 * @throws CsrmError when there is none, or one of `ids` is missing
 */
export function openLabels(labels: string, ids?: readonly string[]): LabelFolder {
  const dir = resolve(labels);
  const file = (id: string) => join(dir, `${id}.png`);
  const missing = ids?.find((id) => !existsSync(file(id)));
  if (missing !== undefined) throw new CsrmError(`no label map ${file(missing)}`, { code: "data" });
  const read = async (id: string) => decodeLabelPng(await readFileBytes(file(id)), file(id));
  return { dir, ids: ids ?? labelIds(dir), file, read };
}

/** The same with names and photographs. @throws CsrmError naming a label map without a photograph */
export function nameLabels(
  folder: LabelFolder,
  { classes, images }: { classes: ClassTable; images: string },
): NamedLabels {
  const files = imagesOf(images, folder.ids);
  const toIndices = classIndexer(classes);
  const image = (id: string) => resolve(files.get(id)!);
  return {
    ...folder,
    classes,
    images: resolve(images),
    image,
    async readIndices(id) {
      const [map, size] = await Promise.all([folder.read(id), imageSize(image(id))]);
      if (map.width !== size.width || map.height !== size.height) {
        throw expected(
          `a label map of the size of ${image(id)}, ${size.width} × ${size.height},`,
          folder.file(id),
          `${map.width} × ${map.height}`,
        );
      }
      toIndices(map, folder.file(id));
      return map;
    },
  };
}
