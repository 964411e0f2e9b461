/** Label maps made to follow masks, over a folder: masks from files, from the picture's colours, or from a network. */
import { resolve } from "node:path";
import type { RgbImage } from "../../data/types.ts";
import type { Runs } from "../../formats/coco-runs.ts";
import type { LabelMap } from "../../formats/indexed-png.ts";
import { type Settings, stampOf } from "../../stamped-folder.ts";
import { photographs, type RefineImages } from "../photographs.ts";
import { type FolderOptions, type RefineSummary, refineFolder } from "../refine-folder.ts";
import { assertMasks, maskFiles, readMasks } from "./mask-files.ts";
import { type MergeOptions, mergeMasks, mergeSettings } from "./merge.ts";
import { assertRegionSettings, type RegionSettings, regionProposals, regionSides } from "./regions.ts";

/** Where masks come from. `Value` is what is read of a photograph ahead of the work. */
export interface MaskSource<Value> {
  /** What decides over the masks, for the results' settings. */
  settings: Settings;
  /** What the progress calls the work. */
  label: string;
  /** Refuses, before anything is refined, when photographs or masks are missing. */
  assertAll(ids: readonly string[]): void;
  read(id: string, labels: LabelMap, labelFile: string): Promise<Value>;
  /** The files that are read. */
  sources(id: string): readonly string[];
  masks(value: Value, labels: LabelMap): readonly Runs[];
}

export interface MaskStageOptions<Value> extends FolderOptions {
  source: MaskSource<Value>;
  merge: MergeOptions;
}

/** @throws CsrmError as `refineFolder`, and what the source throws */
export function refineByMasks<Value>(options: MaskStageOptions<Value>): Promise<RefineSummary> {
  const { source, merge, ...folder } = options;
  return refineFolder({
    ...folder,
    settings: { ...source.settings, ...mergeSettings(merge) },
    label: source.label,
    assertAll: (ids) => source.assertAll(ids),
    read: (id, labels, file) => source.read(id, labels, file),
    sources: (id) => source.sources(id),
    refine: (labels, value) => mergeMasks(labels, source.masks(value, labels), merge),
  });
}

/** Masks that lie in a folder already. */
export function storedMasks(dir: string): MaskSource<Runs[]> {
  return {
    // What csrm propose made them with, where it did: refined by others, label maps would be others.
    settings: { masks: resolve(dir), mask_settings: stampOf(dir) },
    label: "masks",
    assertAll: (ids) => assertMasks(dir, ids),
    read: (id, labels) => readMasks(dir, id, labels),
    sources: (id) => maskFiles(dir, id),
    masks: (runs) => runs,
  };
}

/** Regions of even colour, from the photographs alone. @throws CsrmError naming a setting that is out of range */
export function colourRegions(images: RefineImages, settings: RegionSettings): MaskSource<RgbImage> {
  assertRegionSettings(settings);
  return {
    settings: { ...settings },
    label: "regions",
    ...photographs(images, regionSides(settings)),
    masks: (image, labels) => regionProposals(image, settings, labels),
  };
}
