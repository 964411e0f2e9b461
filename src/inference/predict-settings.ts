/** What the predict stage does, and how a recipe says it. */
import type { ClassTable } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { ModelInfo } from "../models/model-file.ts";
import type { Settings } from "../stamped-folder.ts";
import type { Recipe } from "../training/config.ts";
import { precisionOf } from "../training/network.ts";
import type { PredictorOptions } from "./predictor.ts";

/**
 * Which classes may appear in an image: its tags, those that the classifier sees, or every class. Untagged images: as
 * "predicted".
 */
export type TagUse = "known" | "predicted" | "all";

export interface PredictSettings extends Required<PredictorOptions> {
  tags: TagUse;
}

/** The settings in a recipe. */
export function predictSettings(recipe: Recipe): PredictSettings {
  const { scales, flip, source, size, tags } = recipe.predict;
  return {
    scales,
    flip,
    source,
    size: size === "training" ? recipe.data.size : size,
    tags,
    device: recipe.device,
    precision: precisionOf(recipe),
  };
}

/** Test-time augmentation in words, for tables: "scales 0.5, 1, 1.5, 2 and flip", "flip", or "none". */
export function augmentationText({ scales, flip }: Pick<PredictSettings, "scales" | "flip">): string {
  const parts = [
    ...(scales.length === 1 && scales[0] === 1 ? [] : [`scales ${scales.join(", ")}`]),
    ...(flip ? ["flip"] : []),
  ];
  return parts.length > 0 ? parts.join(" and ") : "none";
}

/** Raised when what is kept of the segmentation branch changes its meaning, so that older results are not taken for new ones. */
const SEGMENTATION_VERSION = 2;

/** What decides over the results, for settings.json. Where the network runs does not count. */
export function predictionStamp(
  { device: _, ...settings }: PredictSettings,
  { model, classes }: { model: string; classes: ClassTable },
): Settings {
  const version = settings.source === "cam" ? {} : { segmentation: SEGMENTATION_VERSION };
  return { model, classes: classes.ids, ...settings, ...version };
}

/** @throws CsrmError when a network was trained for other classes than a data set has */
export function assertClasses(info: Pick<ModelInfo, "classes">, classes: ClassTable, file: string): void {
  const textOf = ({ ids, names }: ClassTable) => ids.map((id, k) => `${id} ${names[k]}`).join(", ");
  if (textOf(info.classes) !== textOf(classes)) {
    throw expected(
      `the classes ${textOf(classes)}`,
      file,
      textOf(info.classes),
      "use the network trained on this data set, or train anew (--fresh) where its classes were changed since",
    );
  }
}
