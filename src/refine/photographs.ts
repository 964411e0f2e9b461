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

/** Where the longest side of photographs may lie; default: anywhere. Where `most` is less than `least`, it holds. */
export interface Sides {
  least?: number;
  most?: number;
}

/** @param sides to which larger photographs are shrunk and smaller ones enlarged */
export function photographs(images: RefineImages, sides: Sides = {}): Photographs {
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
      return decodeImage(file, sidePlan(original, sides));
    },
  };
}

/** How a photograph is decoded so that its longest side is one of these. */
export function sidePlan(
  { width, height }: { width: number; height: number },
  { least = 0, most = Number.POSITIVE_INFINITY }: Sides,
): DecodeOptions {
  const longest = Math.max(width, height);
  const wanted = Math.min(Math.max(longest, least), most);
  if (wanted === longest) return {};
  const scaled = (side: number) => Math.max(1, Math.round((side * wanted) / longest));
  return { plan: { width: scaled(width), height: scaled(height), kernel: "cubic" } };
}
