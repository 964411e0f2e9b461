/** The verification stage on disk: a segmentation network trained on label maps of the run; leaves model.safetensors. */
import { join } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import type { PairOptions } from "../data/pairs.ts";
import type { ClassTable } from "../data/types.ts";
import { CsrmError } from "../errors.ts";
import { readFileBytes } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import { saveSegmenter } from "../models/segmenter.ts";
import { begin, checkpointFolder, runTraining, type StageOptions, type StageResult, writtenByFirst } from "./stages.ts";
import { assertDivisible, trainTogether } from "./together.ts";
import { describeSegmenter, newSegmenter } from "./verify-network.ts";
import { VerifyTask } from "./verify-task.ts";

/**
 * Trains the recipe's verification network; RUN/verify/model.safetensors. Opens no ground truth: what it learns from are label maps that
 * were predicted.
 * @param options.dataset images that all have a label map
 * @param options.labels folder of the label maps, <id>.png of dataset ids, 255 = none
 */
export async function verifyStage(options: StageOptions & { labels: string }): Promise<StageResult> {
  const { recipe, dataset, labels } = options;
  if (dataset.samples.length === 0)
    throw new CsrmError(`no image of ${dataset.name} has a label map`, { code: "data" });
  assertDivisible({ "verify.batch": recipe.verify.batch });
  begin(recipe);
  const info = describeSegmenter(recipe, dataset.classes);
  const segmenter = newSegmenter(recipe, info);
  const reader = labelReader(labels, dataset.classes);
  const task = new VerifyTask({ segmenter, info, dataset, labels: reader, recipe, note: options.progress.note });
  const endTogether = trainTogether([segmenter.model], recipe);
  const result = await runTraining(task, options, checkpointFolder(options));
  endTogether();
  if (result.finished) writtenByFirst(() => saveSegmenter(result.model, segmenter, info));
  segmenter.model.dispose();
  return result;
}

/** Label maps of a folder as channels of the network. The reader rejects naming the file. */
export function labelReader(folder: string, classes: ClassTable): PairOptions["labels"] {
  const toChannels = classIndexer(classes);
  return async (id) => {
    const file = join(folder, `${id}.png`);
    return toChannels(decodeLabelPng(await readFileBytes(file), file), file);
  };
}
