/** Tells whether an evaluation would read the same files again as one that is there. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { packageVersion } from "../environment.ts";
import { readError } from "../files.ts";
import { forEachConcurrently } from "./concurrency.ts";
import type { EvaluateOptions } from "./evaluate.ts";
import { predictionFolder } from "./predictions.ts";

/**
 * A digest of everything that the figures depend on: settings, classes, images, and size and time of every prediction and mask. It does not
 * depend on where the folders are.
 * @throws CsrmError naming a prediction or mask that is missing
 */
export async function inputsDigest(options: EvaluateOptions): Promise<string> {
  const { predictions, masks, ids, classes, images: _, onProgress: __, concurrency: ___, ...settings } = options;
  const folder = predictionFolder(predictions, ids);
  const states = new Map<string, string>();
  await forEachConcurrently(ids, 16, async (id) => {
    const files = [folder.fileOf(id), join(masks, `${id}.png`)];
    states.set(id, (await Promise.all(files.map(stateOf))).join(" "));
  });
  const hash = createHash("sha256").update(JSON.stringify([packageVersion(), settings, classes.ids, classes.names]));
  for (const id of ids) hash.update(`\n${id} ${states.get(id)}`);
  return hash.digest("hex");
}

async function stateOf(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file).catch((error: unknown) => {
    throw readError(file, error);
  });
  return `${size} ${mtimeMs}`;
}
