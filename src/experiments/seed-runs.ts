/** The finished runs that a table of refinements is made of, one start and one CSRM a seed, from run folders and experiments. */
import { existsSync } from "node:fs";
import path from "node:path";
import { CsrmError, expected } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { readEvaluations } from "../report/run-data.ts";
import { differencesOfRuns, recipeOfRun } from "../run-folder.ts";
import type { Recipe } from "../training/config.ts";
import { isExperiment, readExperiment } from "./experiment-folder.ts";
import { runFolder } from "./plan.ts";
import { ablationRows, refinementTraining } from "./rows.ts";

/** What a run measured. */
export interface MeasuredIn {
  /** The run folder, from which the evaluation's paths start. */
  run: string;
  evaluation: Evaluation;
}

export interface SeedRuns {
  seed: number;
  recipe: Recipe;
  /** One run that has both start and CSRM, or one of each. */
  folders: readonly string[];
  measured: readonly MeasuredIn[];
}

/** @param folders run folders of one seed */
export function seedRunsOf(folders: readonly string[]): SeedRuns {
  const recipe = recipeOfRun(folders.at(-1)!);
  const measured = folders.flatMap((run) =>
    readEvaluations(path.join(run, "evaluate")).map((evaluation) => ({ run, evaluation })),
  );
  return { seed: recipe.seed, recipe, folders, measured };
}

/** The runs of an experiment's seed that are all done; null where one is not. @param row the key of the row that is CSRM */
export function finishedSeed(out: string, row: string, seed: number): SeedRuns | null {
  const folders = ["start", row].map((key) => runFolder(out, key, seed));
  return folders.every(isDone) ? seedRunsOf(folders) : null;
}

/**
 * The runs of folders: a run folder is a seed with start and CSRM, an experiment is all its seeds that are done.
 * @param note told of seeds that are not
 * @throws CsrmError for two runs of one seed, for runs whose recipes differ by more than the seed, listing how, and for an experiment
 *   without a row that is CSRM or without a seed that is done
 */
export function seedRunsIn(folders: readonly string[], note: (text: string) => void): SeedRuns[] {
  const found = folders.flatMap((folder) => (isExperiment(folder) ? seedsOf(folder, note) : [seedRunsOf([folder])]));
  for (const [i, { seed, folders: own }] of found.entries()) {
    const other = found.slice(0, i).find((before) => before.seed === seed);
    if (other === undefined) continue;
    throw expected("one run a seed", "--runs", own.at(-1), `${other.folders.at(-1)} has seed ${seed}, too`);
  }
  const [first, ...others] = found.flatMap((each) => each.folders);
  for (const folder of others) assertOneRecipe(first!, folder);
  return found;
}

function seedsOf(folder: string, note: (text: string) => void): SeedRuns[] {
  const { experiment, rows, seeds } = readExperiment(folder);
  const whole = experiment === "ablation" ? ablationRows.at(-1)! : refinementTraining;
  if (!(whole.key in rows)) {
    const fix = `csrm experiment ${experiment} --rows ${whole.key} on it adds the row`;
    throw expected(
      `the row ${whole.key} (${whole.label}), which is CSRM with every loss,`,
      folder,
      Object.keys(rows),
      fix,
    );
  }
  const done = seeds.flatMap((seed) => {
    const runs = finishedSeed(folder, whole.key, seed);
    if (runs === null) note(`seed ${seed} is left out: ${unfinished(folder, whole.key, seed)} is not done yet`);
    return runs ?? [];
  });
  if (done.length > 0) return done;
  const fix = `csrm experiment ${experiment} goes on with it`;
  throw expected("a seed whose start and last row are done", folder, `none of the seeds ${seeds.join(", ")}`, fix);
}

function unfinished(out: string, row: string, seed: number): string {
  return ["start", row].map((key) => runFolder(out, key, seed)).find((folder) => !isDone(folder))!;
}

function isDone(folder: string): boolean {
  return existsSync(path.join(folder, "summary.json"));
}

/**
 * Runs are averaged as seeds of one thing, which they are when nothing else differs. What csrm verify did later plays no part, nor whether a
 * run made refined label maps: those that it lacks are made for the table.
 */
function assertOneRecipe(first: string, folder: string): void {
  const differences = differencesOfRuns(first, folder).filter((line) => !/^(seed:|verify\.|predict\.crf:)/.test(line));
  if (differences.length === 0) return;
  const list = differences.map((line) => `  ${line}\n`).join("");
  throw new CsrmError(
    `${folder} is of another recipe than ${first} (${path.basename(first)} → ${path.basename(folder)}):\n${list}--runs takes runs of one recipe, one a seed`,
    { code: "config" },
  );
}

/** @throws CsrmError for a method that the runs of a seed did not measure on a list */
export function measuredOn({ measured, folders }: SeedRuns, method: string, list: string): MeasuredIn {
  const found = measured.find(({ evaluation }) => evaluation.method === method && evaluation.split === list);
  if (found) return found;
  const folder = folders.at(-1)!;
  const above = path.dirname(path.dirname(path.resolve(folder)));
  const fix = isExperiment(above)
    ? `it is a row of an experiment, which --runs ${above} takes`
    : "csrm run on it makes one";
  throw new CsrmError(`${folder} has no evaluation of ${method} on ${list}; ${fix}`, { code: "data" });
}
