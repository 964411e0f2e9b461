/** Tells whether an evaluation, or a shard of one, would read the same files again as one that is there. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { packageVersion } from "../environment.ts";
import { digestOf } from "../shard.ts";
import { forEachConcurrently } from "./concurrency.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import { type PredictionFolder, predictionFolder } from "./predictions.ts";

/**
 * A digest of everything that the figures depend on: settings, classes, images, and size and time of every prediction and mask. It does not
 * depend on where the folders are.
 * @throws CsrmError naming a prediction that is missing
 */
export async function inputsDigest(options: EvaluateOptions): Promise<string> {
  const { predictions, masks, ids, classes, images: _, onProgress: __, concurrency: ___, ...settings } = options;
  const states = await fileStates(ids, { folder: predictionFolder(predictions, ids), masks });
  return digestOf([JSON.stringify([packageVersion(), settings, classes.ids, classes.names]), ...states]);
}

/** Each image with size and time of its prediction and mask, a line an image; what is not there is "absent". */
export async function fileStates(
  ids: readonly string[],
  { folder, masks }: { folder: PredictionFolder; masks: string },
): Promise<string[]> {
  const states = new Map<string, string>();
  await forEachConcurrently(ids, 16, async (id) => {
    const files = [folder.fileOf(id), join(masks, `${id}.png`)];
    states.set(id, (await Promise.all(files.map(stateOf))).join("\t"));
  });
  return ids.map((id) => `${id}\t${states.get(id)}`);
}

async function stateOf(file: string): Promise<string> {
  const found = await stat(file).catch(() => null);
  return found ? `${found.size} ${found.mtimeMs}` : "absent";
}
