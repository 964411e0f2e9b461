/** Label maps made to follow masks, over a folder: masks from files, from the picture's colours, or from a network. */
import { resolve } from "node:path";
import { decodeImage, imageSize } from "../../data/image.ts";
import { imagesOf } from "../../data/label-files.ts";
import { expected } from "../../errors.ts";
import type { Runs } from "../../formats/coco-runs.ts";
import type { LabelMap } from "../../formats/indexed-png.ts";
import type { Settings } from "../../stamped-folder.ts";
import { type RefineFolderOptions, type RefineSummary, refineFolder } from "../refine-folder.ts";
import { assertMasks, readMasks } from "./mask-files.ts";
import { type MergeOptions, mergeMasks } from "./merge.ts";
import { assertRegionSettings, type RegionSettings, regionProposals } from "./regions.ts";

/** Where masks come from. `Value` is what is read of a photograph ahead of the work. */
export interface MaskSource<Value> {
  /** What decides over the masks, for the results' settings. */
  settings: Settings;
  /** What the progress calls the work. */
  label: string;
  /** Refuses, before anything is refined, when photographs or masks are missing. */
  assertAll(ids: readonly string[]): void;
  read(id: string, labels: LabelMap): Promise<Value>;
  masks(value: Value, labels: LabelMap): readonly Runs[];
}

export interface MaskStageOptions<Value>
  extends Pick<RefineFolderOptions<Value>, "labels" | "out" | "ids" | "fresh" | "progress"> {
  source: MaskSource<Value>;
  merge: MergeOptions;
}

/** @throws CsrmError as `refineFolder`, and what the source throws */
export function refineByMasks<Value>(options: MaskStageOptions<Value>): Promise<RefineSummary> {
  const { source, merge, ...folder } = options;
  return refineFolder({
    ...folder,
    settings: { ...source.settings, ...merge },
    label: source.label,
    assertAll: (ids) => source.assertAll(ids),
    read: (id, labels) => source.read(id, labels),
    refine: (labels, value) => mergeMasks(labels, source.masks(value, labels), merge),
  });
}

/** Masks that lie in a folder already. */
export function storedMasks(dir: string): MaskSource<Runs[]> {
  return {
    settings: { masks: resolve(dir) },
    label: "masks",
    assertAll: (ids) => assertMasks(dir, ids),
    read: (id, labels) => readMasks(dir, id, labels),
    masks: (runs) => runs,
  };
}

/** Regions of even colour, from the photographs alone. @throws CsrmError naming a setting that is out of range */
export function colourRegions(images: RefineImages, settings: RegionSettings): MaskSource<DecodedImage> {
  assertRegionSettings(settings);
  return {
    settings: { ...settings },
    label: "regions",
    ...photographs(images, settings.max_side),
    masks: (image, labels) => regionProposals(image, settings, labels),
  };
}

type RefineImages = Parameters<typeof imagesOf>[0];
type DecodedImage = Awaited<ReturnType<typeof decodeImage>>;

/**
 * The part of a source that reads photographs, which must have the label maps' sizes.
 * @param longest side to which larger photographs are shrunk (default: none is)
 */
export function photographs(
  images: RefineImages,
  longest = Number.POSITIVE_INFINITY,
): Pick<MaskSource<DecodedImage>, "assertAll" | "read"> {
  let files: ReadonlyMap<string, string>;
  return {
    assertAll(ids) {
      files = imagesOf(images, ids);
    },
    async read(id, { width, height }) {
      const file = files.get(id)!;
      const original = await imageSize(file);
      if (original.width !== width || original.height !== height) {
        const size = `${original.width}×${original.height}, the size of ${file},`;
        throw expected(size, `label map ${id}`, `${width}×${height}`);
      }
      if (Math.max(width, height) <= longest) return decodeImage(file);
      const scale = longest / Math.max(width, height);
      const scaled = (side: number) => Math.max(1, Math.round(side * scale));
      return decodeImage(file, { plan: { width: scaled(width), height: scaled(height), kernel: "cubic" } });
    },
  };
}
