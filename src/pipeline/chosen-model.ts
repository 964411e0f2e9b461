/** Which of a training's networks a run predicts with. */
import path from "node:path";
import { evaluatePredictions } from "../evaluation/evaluate.ts";
import { predictSettings } from "../inference/predict-settings.ts";
import { predictCams } from "../inference/predict-stage.ts";
import type { Progress } from "../progress.ts";
import type { Stage } from "../run-stage.ts";
import { CheckpointFolder } from "../training/checkpoint.ts";
import type { Recipe } from "../training/config.ts";
import { maskFolder, openRecipeData } from "../training/recipe-data.ts";
import { trainedModel } from "../training/stages.ts";

export interface ChoiceOptions {
  recipe: Recipe;
  /** RUN/train */
  train: Stage;
  /** RUN/predict; gets checkpoints/<name>/ where they are compared. */
  folder: string;
  progress: Progress;
}

/** The network of the recipe's checkpoint. @throws CsrmError when there is no such checkpoint */
export async function chosenModel(options: ChoiceOptions): Promise<string> {
  const { checkpoint } = options.recipe.predict;
  return trainedModel(options.train, checkpoint === "best_by_masks" ? await bestByMasks(options) : checkpoint);
}

/**
 * The checkpoint whose activation maps, single view at their best threshold, reach the highest mIoU on the first scored list; the latest of
 * equals. The authors chose theirs so in the paper's runs. Training is over by now, and learns nothing of it.
 */
async function bestByMasks({ recipe, train, folder, progress }: ChoiceOptions): Promise<string> {
  const list = recipe.data.lists.score[0]!;
  const dataset = await openRecipeData(recipe, list);
  const kept = new CheckpointFolder({ folder: train.checkpoints, stage: train.name, keep: recipe.checkpoints.keep });
  const settings = { ...predictSettings(recipe), scales: [1], flip: false, source: "cam" as const };
  // The newest numbered checkpoint is the last one.
  const names = recipe.checkpoints.keep > 0 ? kept.steps().map((step) => `step-${step}`) : ["last"];
  let best = { name: "last", miou: -1 };
  for (const name of names) {
    const out = path.join(folder, "checkpoints", name);
    const model = trainedModel(train, name);
    const label = `predict ${name} ${list}`;
    const { ids } = await predictCams({ model, dataset, out, settings, fresh: "if-other", progress, label });
    const masks = maskFolder(recipe);
    const { miou } = await evaluatePredictions({ predictions: out, masks, ids, classes: dataset.classes });
    progress.note(`${name}: mIoU of its activation maps on ${list} ${(100 * miou).toFixed(1)} %`);
    if (miou >= best.miou) best = { name, miou };
  }
  progress.note(`predicting with ${best.name}`);
  return best.name;
}
