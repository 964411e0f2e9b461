/** Which checkpoint a run predicts with. */
import path from "node:path";
import { expect, it } from "vitest";
import { evaluatePredictions } from "../../src/evaluation/evaluate.ts";
import { chosenModel } from "../../src/pipeline/chosen-model.ts";
import { type Progress, silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, trainStage } from "../../src/training/stages.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";

it("best_by_masks takes the checkpoint whose activation maps fit the first list best", async () => {
  const root = await tinyData();
  const set = ["checkpoints={every_steps: 2, keep: 2}", "predict.checkpoint=best_by_masks"];
  const recipe = tinyRecipe(root, set);
  const dataset = await openRecipeData(recipe, recipe.data.lists.train);
  const train = new Stage("train", temporaryFolder("train"));
  const common = { recipe, dataset, progress: silentProgress, stop: () => false };
  const { model: start } = await pretrainStage({ ...common, stage: new Stage("pretrain", temporaryFolder("start")) });
  await trainStage({ ...common, stage: train, start });

  const notes: string[] = [];
  const progress: Progress = { ...silentProgress, note: (text) => void notes.push(text) };
  const folder = temporaryFolder("predict");
  const model = await chosenModel({ recipe, train, folder, progress });

  const names = ["step-2", "step-4", "step-6"];
  const ids = dataset.samples.map(({ id }) => id);
  const measured = await Promise.all(
    names.map((name) =>
      evaluatePredictions({
        predictions: path.join(folder, "checkpoints", name),
        masks: path.join(root, "SegmentationClass"),
        ids,
        classes: dataset.classes,
      }),
    ),
  );
  const figures = measured.map(({ miou }) => miou);
  const best = names[figures.lastIndexOf(Math.max(...figures))]!;
  expect(path.basename(model)).toBe(`model-${best}.safetensors`);
  expect(notes.at(-1)).toBe(`predicting with ${best}`);
  expect(notes).toHaveLength(4);
  const last = { ...recipe, predict: { ...recipe.predict, checkpoint: "last" } };
  expect(path.basename(await chosenModel({ recipe: last, train, folder, progress }))).toBe("model.safetensors");
});
