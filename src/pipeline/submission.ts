/** A test list as the archive that Pascal VOC's evaluation server takes: indexed PNGs of the images' own sizes. */
import { existsSync } from "node:fs";
import path from "node:path";
import { CsrmError, expected } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import { type TarEntry, tarPieces } from "../formats/tar.ts";
import { segmentAll } from "../inference/segment-stage.ts";
import { safePoint } from "../interrupt.ts";
import type { Progress } from "../progress.ts";
import type { Run } from "../run-folder.ts";
import { setThreads } from "../torch/index.ts";
import { openRecipeData } from "../training/recipe-data.ts";
import { listName } from "./predictions.ts";
import { segmentSettings, verifiedModel } from "./verify.ts";

export interface Submission {
  /** The archive. */
  file: string;
  list: string;
  images: number;
  /** Folder of the label maps in it. */
  labels: string;
}

/** Where the server looks for results of competition 6: segmentation, trained on any data but the test set's. */
const FOLDER = "results/VOC2012/Segmentation/comp6_test_cls";
/** Images of VOC 2012's test list, and its highest class. */
const VOC = { images: 1456, highest: 20 };

/**
 * Predicts the recipe's test list, where that is not done, and writes the archive.
 * @throws CsrmError when there is no verification network, for an image of the list that is missing or cannot be read, and for a label map
 *   with classes that the server does not know; nothing is written then
 */
export async function writeSubmission(run: Run, file: string, progress: Progress): Promise<Submission> {
  const { recipe } = run;
  const model = verifiedModel(run);
  if (!existsSync(model)) {
    throw expected(
      "a verification network",
      "--submission",
      `none at ${model}`,
      "do csrm verify on the same --out first",
    );
  }
  setThreads(recipe.threads);
  const dataset = await openRecipeData(recipe, recipe.verify.test);
  const list = listName(recipe.verify.test);
  const count = dataset.samples.length;
  if (count !== VOC.images)
    progress.note(`list ${list} has ${count} images; the server of VOC 2012 takes ${VOC.images}`);
  const { labels, refined } = await segmentAll({
    model,
    dataset,
    out: path.join(run.path, "verify", "predictions", list),
    settings: segmentSettings(recipe),
    fresh: "if-other",
    strict: true,
    progress,
    label: `verify ${list}`,
  });
  const folder = refined ?? labels;
  const entries: TarEntry[] = [];
  for (const { id } of dataset.samples) {
    await safePoint();
    const png = path.join(folder, `${id}.png`);
    const data = await readFileBytes(png);
    const strange = decodeLabelPng(data, png).data.find((label) => label > VOC.highest);
    if (strange !== undefined) {
      throw new CsrmError(
        `expected classes 0 to ${VOC.highest} in ${png}, got ${strange}; the server knows those of VOC`,
        {
          code: "data",
        },
      );
    }
    entries.push({ name: `${FOLDER}/${id}.png`, data });
  }
  await writeFileAtomic(file, tarPieces(entries));
  return { file, list, images: count, labels: folder };
}
