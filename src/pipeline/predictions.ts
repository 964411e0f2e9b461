/** The predict stage of a run: start classifier and trained network over every scored list, plain and with test-time augmentation. */
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { type PredictSettings, predictSettings } from "../inference/predict-settings.ts";
import { predictCams } from "../inference/predict-stage.ts";
import type { Progress } from "../progress.ts";
import type { Recipe } from "../training/config.ts";
import { openRecipeData } from "../training/recipe-data.ts";

/** The classifier that training began with, or the network that came out. */
export type Subject = "start" | "csrm";

/** One pass of one network over one list. */
export interface Pass {
  subject: Subject;
  /** The list's name; "all" for every image. */
  list: string;
  /** Whether this pass has the recipe's scales and flip; the other one sees every image once, as it is. */
  augmented: boolean;
  settings: PredictSettings;
  /** Holds cams/ and, later, pseudo/. */
  out: string;
  dataset: Dataset;
  /** Images with a result; those that could not be read are missing. */
  ids: string[];
}

export interface PassOptions {
  recipe: Recipe;
  /** RUN/predict */
  folder: string;
  /** The network file of each subject that is to be looked at. */
  models: ReadonlyMap<Subject, string>;
  progress: Progress;
}

/** Runs every pass; images that are done already are not done again. */
export async function predictAll({ recipe, folder, models, progress }: PassOptions): Promise<Pass[]> {
  const full = predictSettings(recipe);
  const isPlain = !full.flip && full.scales.length === 1 && full.scales[0] === 1;
  const lists = recipe.data.lists.score.length > 0 ? recipe.data.lists.score : [null];
  const passes: Pass[] = [];
  for (const list of lists) {
    const dataset = await openRecipeData(recipe, list);
    for (const [subject, model] of models) {
      // Without masks nothing is compared, so neither the start nor the plain pass is of use.
      if (list === null && subject === "start") continue;
      for (const augmented of isPlain || list === null ? [true] : [false, true]) {
        const settings: PredictSettings = {
          ...full,
          ...(augmented ? {} : { scales: [1], flip: false }),
          ...(subject === "start" ? { source: "cam" as const } : {}),
        };
        const name = `${subject}${augmented ? "" : "-single"}`;
        const out = path.join(folder, name, listName(list));
        const label = `predict ${name} ${listName(list)}`;
        const work = { model, dataset, out, settings, progress, label };
        // Settings that differ here are those that the run cannot help, e.g. the precision of another machine.
        const { ids, skipped } = await predictCams({ ...work, fresh: "if-other" });
        for (const { id, reason } of skipped) progress.note(`skipped ${id}: ${reason}`);
        passes.push({ subject, list: listName(list), augmented, settings, out, dataset, ids });
      }
    }
  }
  return passes;
}

/** A list's name in paths and tables. */
export function listName(list: string | null): string {
  return list === null ? "all" : path.basename(list, ".txt");
}
