/** A run's evaluations, RUN/evaluate/<list>-<method>.json: measured where they are not there yet, written so that a run may be moved. */
import { rmSync } from "node:fs";
import path from "node:path";
import { CsrmError } from "../errors.ts";
import { type EvaluateOptions, evaluatePredictions } from "../evaluation/evaluate.ts";
import { type Evaluation, readEvaluation } from "../evaluation/evaluation.ts";
import { inputsDigest } from "../evaluation/inputs-digest.ts";
import { writeFileAtomic } from "../files.ts";
import type { Progress } from "../progress.ts";

function evaluationFile(run: string, list: string, method: string): string {
  return path.join(run, "evaluate", `${list}-${method}.json`);
}

/** @param run the run folder */
export async function writeEvaluation(run: string, result: Evaluation): Promise<void> {
  const text = JSON.stringify(movable(result, run), null, 2);
  await writeFileAtomic(evaluationFile(run, result.split!, result.method!), `${text}\n`);
}

/** Removes what was measured of results that are no longer made. */
export function dropEvaluation(run: string, list: string, method: string): void {
  rmSync(evaluationFile(run, list, method), { force: true });
}

/** Measures, or takes what an earlier call measured of the same files with the same settings. @param options with split and method */
export async function evaluateOnce(run: string, options: EvaluateOptions, progress: Progress): Promise<Evaluation> {
  const { predictions, masks, images, split, method, ids } = options;
  const inputs = await inputsDigest(options);
  const known = knownEvaluation(evaluationFile(run, split!, method!));
  // Stored paths start from the run.
  if (known?.inputs === inputs) {
    const [predicted, truth, photographs] = [predictions, masks, images!].map((folder) => path.resolve(folder));
    return { ...known, predictions: predicted!, masks: truth!, images: photographs! };
  }
  using task = progress.task({ label: `evaluate ${method} ${split}`, total: ids.length, unit: "image" });
  return { ...(await evaluatePredictions({ ...options, onProgress: (done) => task.update(done) })), inputs };
}

/** What an earlier call measured; null where there is nothing of use. */
function knownEvaluation(file: string): Evaluation | null {
  try {
    return readEvaluation(file);
  } catch (error) {
    if (error instanceof CsrmError) return null;
    throw error;
  }
}

/** A folder as a run's files name it: one inside the run is told from there, so that a run folder may be moved. */
export function placeIn(run: string, folder: string): string {
  const inside = path.relative(run, folder);
  return inside.startsWith("..") || path.isAbsolute(inside) ? folder : inside;
}

function movable(result: Evaluation, run: string): Evaluation {
  const told = (folder: string | null) => folder && placeIn(run, folder);
  const { predictions, masks, images } = result;
  return { ...result, predictions: told(predictions), masks: told(masks), images: told(images) };
}
