/** The data set of a run, generated where it is the toy set. */
import { generateToy } from "../data/toy/index.ts";
import type { Dataset } from "../data/types.ts";
import { assertMasks } from "../evaluation/masks.ts";
import { throwIfInterrupted } from "../interrupt.ts";
import type { Progress } from "../progress.ts";
import { byFirst } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import { dataRoot, maskFolder, openRecipeData } from "../training/recipe-data.ts";

/** Generates the toy set where the recipe asks for it and opens the training list, showing what a person should know about it. */
export async function openTrainingData(recipe: Recipe, progress: Progress): Promise<Dataset> {
  if (recipe.data.layout === "toy") await byFirst("toy", () => drawToy(recipe, progress));
  const train = await openRecipeData(recipe, recipe.data.lists.train);
  for (const note of train.notes ?? []) progress.note(note);
  return train;
}

/** Opens every list that results will be measured on and looks for its masks: hours of training later is too late for a wrong name. */
export async function checkScoredLists(recipe: Recipe): Promise<void> {
  for (const list of recipe.data.lists.score) {
    const { samples } = await openRecipeData(recipe, list);
    assertMasks(
      maskFolder(recipe),
      list,
      samples.map(({ id }) => id),
    );
  }
}

async function drawToy(recipe: Recipe, progress: Progress): Promise<void> {
  const { train, val, size, seed } = recipe.data.toy;
  using task = progress.task({ label: "toy scenes", total: train + val, unit: "image" });
  await generateToy({
    out: dataRoot(recipe),
    seed,
    size,
    images: { train, val },
    onProgress(done: number) {
      task.update(done);
      throwIfInterrupted();
    },
  });
}
