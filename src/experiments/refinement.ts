/** Table 2 of the paper: start and CSRM, as they are and refined, seed by seed. */

import path from "node:path";
import { CsrmError, expected } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { compareSplits, readEvaluations } from "../report/run-data.ts";
import { recipeOfRun } from "../run-folder.ts";
import type { Recipe } from "../training/config.ts";
import { valuesOf } from "./ablation.ts";
import type { StoredExperiment } from "./experiment-folder.ts";
import { finishedEvaluations } from "./finished.ts";
import { measuringNotes, type Outcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import type { Column } from "./results.ts";
import { refinementRows, refinementTraining } from "./rows.ts";

/** What is there so far; null before a run is done. */
export function refinementOutcome({ out, recipe }: Plan, { seeds }: StoredExperiment): Outcome | null {
  const of = finishedEvaluations(out, seeds);
  const [starts, runs] = [of("start"), of(refinementTraining.key)];
  if (runs.size === 0) return null;
  return outcomeOf(recipe, new Map([...runs].map(([seed, own]) => [seed, [...(starts.get(seed) ?? []), ...own]])));
}

/**
 * The same of finished runs of one recipe.
 * @throws CsrmError for two runs of one seed, and for a run that did not evaluate some row's method
 */
export function refinementOfRuns(folders: readonly string[]): Outcome {
  const runs = new Map<number, Evaluation[]>();
  const recipes = folders.map(recipeOfRun);
  for (const [i, folder] of folders.entries()) {
    const { seed } = recipes[i]!;
    if (runs.has(seed)) {
      throw expected("one run a seed", "--runs", folder, `another of them has seed ${seed}, too`);
    }
    const evaluations = readEvaluations(path.join(folder, "evaluate"));
    const missing = refinementRows.find(
      ({ method, optional }) => !optional && !evaluations.some((each) => each.method === method),
    );
    if (missing) {
      throw new CsrmError(
        `${folder} has no evaluation of ${missing.method} (${missing.label}); csrm run on it makes one, where predict.crf is true`,
        { code: "data" },
      );
    }
    runs.set(seed, evaluations);
  }
  return outcomeOf(recipes[0]!, runs);
}

function outcomeOf(recipe: Recipe, runs: ReadonlyMap<number, readonly Evaluation[]>): Outcome {
  const all = [...runs.values()].flat();
  const splits = [...new Set(all.flatMap(({ split }) => split ?? []))].sort(compareSplits);
  const columns = splits.map((split): Column => ({ method: "", split, title: split }));
  const present = refinementRows.filter(({ method }) => all.some((each) => each.method === method));
  const first = present[0]?.method;
  const rows = present.map(({ method, label }) => ({
    key: method,
    label,
    against: method === first ? null : first!,
    values: valuesOf(runs, columns, () => method),
  }));
  return {
    title: "Refinement: start and CSRM, with and without the dense CRF",
    notes: measuringNotes(recipe, all),
    results: { columns, rows },
  };
}
