/** The label maps that the verification network learns from: the run's own, or a folder's. Never ground truth. */
import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import { readEvaluation } from "../evaluation/evaluation.ts";
import { writeLabels } from "../inference/label-stage.ts";
import { predictSettings } from "../inference/predict-settings.ts";
import { predictCams } from "../inference/predict-stage.ts";
import type { Progress } from "../progress.ts";
import { refineCrf } from "../refine/crf-stage.ts";
import type { Run } from "../run-folder.ts";
import type { Recipe } from "../training/config.ts";
import { maskFolder, openRecipeData } from "../training/recipe-data.ts";
import { chosenModel } from "./chosen-model.ts";
import { listName } from "./predictions.ts";

export interface TrainingLabels {
  /** Holds <id>.png for every image of the data set. */
  folder: string;
  dataset: Dataset;
}

/** The name of the list that the network is trained on; null: every image. */
export function verifyList({ verify, data }: Recipe): string | null {
  return verify.list ?? data.lists.train;
}

/**
 * The label maps that the run's network makes of the training list, at the threshold that the run chose, refined where the recipe says so; what
 * is there is not made again.
 * @throws CsrmError when the run has no trained network or, where the threshold was to be chosen, no evaluation yet
 */
export async function ownLabels(run: Run, progress: Progress): Promise<TrainingLabels> {
  const { recipe } = run;
  const trained = path.join(run.path, "train", "model.safetensors");
  if (!existsSync(trained)) {
    throw expected(
      "label maps to train on",
      "csrm verify",
      `no network at ${trained}`,
      "do csrm run on the same --out first, or name a folder of label maps with --labels",
    );
  }
  const threshold = chosenThreshold(run);
  const list = verifyList(recipe);
  const dataset = await openRecipeData(recipe, list);
  const predict = run.stage("predict").path;
  const model = await chosenModel({ recipe, train: run.stage("train"), folder: predict, progress });
  const name = listName(list);
  const out = path.join(predict, "csrm", name);
  const settings = predictSettings(recipe);
  const common = { out, progress, fresh: "if-other" } as const;
  const { ids, skipped } = await predictCams({ ...common, model, dataset, settings, label: `predict csrm ${name}` });
  for (const { id, reason } of skipped) progress.note(`skipped ${id}: ${reason}`);
  const { dir } = await writeLabels({ ...common, ids, threshold, label: `labels csrm ${name}` });
  const there = new Set(ids);
  const kept = { ...dataset, samples: dataset.samples.filter(({ id }) => there.has(id)) };
  if (recipe.verify.labels === "predicted" || !recipe.predict.crf) return { folder: dir, dataset: kept };
  const folder = path.join(run.stage("refine").path, "csrm", name);
  const params = recipe.refine.crf;
  await refineCrf({ ...common, images: dataset, labels: dir, out: folder, ids, params, label: `dCRF csrm ${name}` });
  return { folder, dataset: kept };
}

/** The background threshold of the run's label maps. */
function chosenThreshold({ path: folder, recipe }: Run): number {
  const { threshold } = recipe.predict;
  if (threshold !== "train") return threshold;
  const file = path.join(folder, "evaluate", `${listName(recipe.data.lists.score[0]!)}-csrm.json`);
  const chosen = existsSync(file) ? readEvaluation(file).threshold : null;
  if (chosen !== null) return chosen;
  throw expected(
    "the threshold that csrm run chooses",
    "csrm verify",
    `no figures at ${file}`,
    "finish csrm run on the same --out first, or set predict.threshold",
  );
}

/** @throws CsrmError naming the first image of the training list without a label map, or a folder that is ground truth */
export async function givenLabels(recipe: Recipe, labels: string): Promise<TrainingLabels> {
  const folder = path.resolve(labels);
  if (!existsSync(folder)) throw expected("a folder of label maps", "--labels", folder, "no such folder");
  const masks = maskFolder(recipe);
  if (existsSync(masks) && isInside(realpathSync(folder), realpathSync(masks))) {
    throw expected(
      "label maps that were predicted",
      "--labels",
      folder,
      "these are the masks that results are measured on",
    );
  }
  const list = verifyList(recipe);
  const dataset = await openRecipeData(recipe, list);
  const missing = dataset.samples.filter(({ id }) => !existsSync(path.join(folder, `${id}.png`)));
  if (missing.length > 0) {
    throw new CsrmError(
      `${missing.length} of the ${dataset.samples.length} images of list ${listName(list)} have no label map, the first: ` +
        `${path.join(folder, `${missing[0]!.id}.png`)}; name another list with --set verify.list=…`,
      { code: "data" },
    );
  }
  return { folder, dataset };
}

function isInside(folder: string, root: string): boolean {
  return folder === root || folder.startsWith(root + path.sep);
}
