/** Where P-NOC's second classifier comes from: a file that the recipe names, or a plain classifier trained first, in RUN/pretrain/oc/. */
import { existsSync } from "node:fs";
import path from "node:path";
import { Stage } from "../run-stage.ts";
import { processes } from "../torch/index.ts";
import type { StageOptions, StageResult } from "./stages.ts";
import { assertShared } from "./together.ts";

export interface Prior {
  /** The classifier's file. */
  model: string;
  /** Of training it, over all sessions; 0 for a given file. */
  seconds: number;
  /** Set when its training stopped on request: there is no file yet. */
  unfinished?: StageResult;
}

/**
 * Trains the plain classifier, goes on with it, or takes it as it is when done or given.
 * @param options.begun whether P-NOC has a checkpoint: that holds the second classifier, so nothing is trained any more
 * @param train trains a start classifier in a stage's folder by the recipe's method
 */
export async function ordinaryPrior(
  options: StageOptions & { begun: boolean },
  train: (options: StageOptions) => Promise<StageResult>,
): Promise<Prior> {
  const { recipe, stage, begun } = options;
  const { oc } = recipe.pretrain.pnoc;
  if (oc.weights !== null) return { model: oc.weights, seconds: 0 };
  const own = new Stage(stage.name, path.join(stage.path, "oc"));
  const model = path.join(own.path, "model.safetensors");
  const done = own.results<{ seconds: number }>();
  const there = begun || (done !== null && existsSync(model));
  assertShared("second classifier of P-NOC", there);
  if (there) return { model, seconds: done?.seconds ?? 0 };
  const pretrain = { ...recipe.pretrain, method: "cam" as const, epochs: oc.epochs ?? recipe.pretrain.epochs };
  const result = await train({ ...options, stage: own, label: "pretrain: oc", recipe: { ...recipe, pretrain } });
  if (!result.finished) return { model, seconds: result.seconds, unfinished: result };
  if (processes().rank === 0) own.finish({ seconds: result.seconds, steps: result.steps });
  return { model, seconds: result.seconds };
}
