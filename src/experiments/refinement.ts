/** Table 2 of the paper: start and CSRM, as they are and refined, seed by seed. */
import path from "node:path";
import { CsrmError } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { listName } from "../pipeline/predictions.ts";
import { compareSplits, readEvaluations } from "../report/run-data.ts";
import type { Recipe } from "../training/config.ts";
import { valuesOf } from "./ablation.ts";
import { isExperiment, type StoredExperiment } from "./experiment-folder.ts";
import { measuringNotes, type Outcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import { assertRefinable, dataPlace, type RefinedOptions, refineSeed, seedFolder } from "./refined-maps.ts";
import type { Column } from "./results.ts";
import { refinementRows, refinementTraining } from "./rows.ts";
import { finishedSeed, measuredOn, type SeedRuns, seedRunsIn } from "./seed-runs.ts";

export type RefinementOptions = Omit<RefinedOptions, "out" | "data">;

/** Before hours of training. @throws CsrmError as `assertRefinable` */
export async function assertPlanRefinable(
  { out, jobs }: Plan,
  options: Omit<RefinementOptions, "progress">,
): Promise<void> {
  const { recipe } = jobs[0]!;
  // Without a data set there are no results yet.
  if (recipe.data.root !== null) await assertRefinable({ ...options, out, data: dataPlace(out, recipe) });
}

/**
 * What is there so far, the refined label maps of this call's seeds made where they are missing; null before a run is done. Seeds that other
 * calls added are shown with what those made of them.
 */
export async function refinementOutcome(
  { out, recipe, jobs, seeds }: Plan,
  stored: StoredExperiment,
  options: RefinementOptions,
): Promise<Outcome | null> {
  const all = { ...options, out, data: dataPlace(out, jobs[0]!.recipe) };
  const runs = new Map<number, Evaluation[]>();
  for (const seed of stored.seeds) {
    const found = finishedSeed(out, refinementTraining.key, seed);
    if (found === null) continue;
    runs.set(seed, seeds.includes(seed) ? await refineSeed(found, all) : asTheyAre(found, all));
  }
  return runs.size === 0 ? null : outcomeOf(recipe, runs, options);
}

/**
 * The same of finished runs of one recipe, and of experiments.
 * @param out gets the refined label maps
 * @throws CsrmError as `seedRunsIn` and `assertRefinable`, and for a run that did not measure its start or its CSRM;
 *   (code "file") for an experiment's own folder as `out`, whose table would be lost
 */
export async function refinementOfRuns(
  folders: readonly string[],
  { out, ...options }: Omit<RefinedOptions, "data">,
): Promise<Outcome> {
  if (isExperiment(out)) {
    throw new CsrmError(`${out} is an experiment with a table of its own; choose another --out`, { code: "file" });
  }
  const found = seedRunsIn(folders, options.progress.note);
  for (const each of found) assertMeasured(each);
  const runs = new Map<number, Evaluation[]>();
  // A data set inside of each run is the same in all.
  const all = { ...options, out, data: dataPlace(out, found[0]!.recipe) };
  await assertRefinable(all);
  for (const each of found) runs.set(each.seed, await refineSeed(each, all));
  return outcomeOf(found[0]!.recipe, runs, options);
}

/** Before any label map is refined. */
function assertMeasured(runs: SeedRuns): void {
  for (const list of runs.recipe.data.lists.score) {
    for (const method of ["start", "csrm"]) measuredOn(runs, method, listName(list));
  }
}

/** Of a seed that another call, or another process, looks after. */
function asTheyAre(
  { measured, seed }: SeedRuns,
  { out, supplies }: Pick<RefinedOptions, "out" | "supplies">,
): Evaluation[] {
  const folders = ["crf", ...supplies.map(({ kind }) => kind)].map((kind) => seedFolder(out, kind, seed));
  const refined = folders.flatMap((folder) => readEvaluations(path.join(folder, "evaluate")));
  return [...measured.map(({ evaluation }) => evaluation), ...refined];
}

function outcomeOf(
  recipe: Recipe,
  runs: ReadonlyMap<number, readonly Evaluation[]>,
  { supplies, merge }: RefinementOptions,
): Outcome {
  const all = [...runs.values()].flat();
  const splits = [...new Set(all.flatMap(({ split }) => split ?? []))].sort(compareSplits);
  const columns = splits.map((split): Column => ({ method: "", split, title: split }));
  const rows = refinementRows(supplies.map(({ kind }) => kind));
  const present = rows.filter(({ method }) => all.some((each) => each.method === method));
  const first = present[0]?.method;
  const how = supplies.map(({ told }) => told).join("; ");
  return {
    title: "Refinement: start and CSRM, each as it is and refined",
    notes: [
      ...measuringNotes(recipe, all),
      ...(how ? [`Refinements follow one another in the order of a row's name. Merged by ${merge.rule}; ${how}.`] : []),
    ],
    results: {
      columns,
      rows: present.map(({ method, label }) => ({
        key: method,
        label,
        against: method === first ? null : first!,
        values: valuesOf(runs, columns, () => method),
      })),
    },
  };
}
