/** The photographs of label maps that are to be refined, read one ahead of the other, each checked against its map's size. */
import { type DecodeOptions, decodeImage, imageSize } from "../data/image.ts";
import { imagesOf } from "../data/label-files.ts";
import type { RgbImage } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { LabelMap } from "../formats/indexed-png.ts";

/** A folder of photographs, or those of a data set. */
export type RefineImages = Parameters<typeof imagesOf>[0];

export interface Photographs {
  /** @throws CsrmError naming the first label map without a photograph */
  assertAll(ids: readonly string[]): void;
  /** @throws CsrmError when it cannot be decoded or has another size than its label map */
  read(id: string, labels: LabelMap, labelFile: string): Promise<RgbImage>;
  /** The file alone. */
  sources(id: string): string[];
  fileOf(id: string): string;
}

/** @param longest side to which larger photographs are shrunk (default: none is) */
export function photographs(images: RefineImages, longest = Number.POSITIVE_INFINITY): Photographs {
  let files: ReadonlyMap<string, string> = new Map();
  const fileOf = (id: string) => files.get(id)!;
  return {
    fileOf,
    sources: (id) => [fileOf(id)],
    assertAll(ids) {
      files = imagesOf(images, ids);
    },
    async read(id, { width, height }, labelFile) {
      const file = fileOf(id);
      const original = await imageSize(file);
      if (original.width !== width || original.height !== height) {
        const size = `${original.width}×${original.height}, the size of ${file},`;
        throw expected(size, labelFile, `${width}×${height}`);
      }
      return decodeImage(file, shrinkPlan(original, longest));
    },
  };
}

/** How a photograph is decoded so that no side is longer. */
export function shrinkPlan({ width, height }: { width: number; height: number }, longest: number): DecodeOptions {
  if (Math.max(width, height) <= longest) return {};
  const scaled = (side: number) => Math.max(1, Math.round((side * longest) / Math.max(width, height)));
  return { plan: { width: scaled(width), height: scaled(height), kernel: "cubic" } };
}
