/** What an experiment that trains consists of: for every seed one start classifier and one run a row, in EXP/runs. */
import { existsSync } from "node:fs";
import path from "node:path";
import { expected } from "../errors.ts";
import { differencesToRun, otherConfiguration } from "../run-folder.ts";
import { loadRecipe, type Recipe } from "../training/config.ts";
import { withToyRoot } from "../training/recipe-data.ts";
import type { TrainingRow } from "./rows.ts";

export interface PlanOptions {
  /** The experiment's name as a command, e.g. "ablation". */
  experiment: string;
  /** A recipe's name or file, with overrides "key=value". */
  source: string;
  set: readonly string[];
  rows: readonly TrainingRow[];
  seeds: readonly number[];
  /** The experiment's folder. */
  out: string;
}

/** A run of an experiment. */
export interface Job {
  /** null: the start classifier that the seed's rows share. */
  row: TrainingRow | null;
  seed: number;
  /** The run folder. */
  path: string;
  recipe: Recipe;
}

export interface Plan {
  experiment: string;
  out: string;
  /** The recipe that all rows change; its seed counts for nothing. */
  recipe: Recipe;
  rows: readonly TrainingRow[];
  seeds: readonly number[];
  /** In the order in which they are done: seed by seed, so that early on there is a whole table. */
  jobs: readonly Job[];
}

/** @throws CsrmError for a recipe that some row makes wrong, for no seed, one given twice or by `set`, and where nothing could be measured */
export function planOf({ experiment, source, set, rows, seeds, out }: PlanOptions): Plan {
  if (seeds.length === 0 || new Set(seeds).size < seeds.length) {
    throw expected("at least one seed, each once,", "--seeds", seeds.join(","));
  }
  const folder = path.resolve(out);
  const seeded = set.find((text) => /^\s*seed\s*=/.test(text));
  if (seeded !== undefined) throw expected("seeds by --seeds", "an experiment", seeded);
  const recipe = loadRecipe(source, { set });
  if (recipe.data.lists.score.length === 0) {
    throw expected(
      "lists with masks to measure on",
      "data.lists.score",
      [],
      "name some with --set data.lists.score=[…]",
    );
  }
  // A network more a row and seed is for who asks for it, here or by csrm verify on a row; the tables are of pseudo-labels.
  const asked = set.some((override) => override.startsWith("verify.enabled="));
  const withoutVerification = asked ? {} : { "verify.enabled": false };
  const jobs = seeds.flatMap((seed) =>
    [null, ...rows].map((row): Job => {
      const values = { ...withoutVerification, ...row?.set, seed };
      // One toy set serves all runs.
      const changed = withToyRoot(loadRecipe(source, { set, values }), folder);
      return { row, seed, path: runFolder(folder, row?.key ?? "start", seed), recipe: changed };
    }),
  );
  return { experiment, out: folder, recipe, rows, seeds, jobs };
}

/** Where an experiment has the run of a row and seed. */
export function runFolder(out: string, key: string, seed: number): string {
  return path.join(out, "runs", `${key}-s${seed}`);
}

/**
 * Whether a run is done; nothing of it is touched.
 * @throws CsrmError (code "config") listing the differences when it was made with another configuration
 */
export function isFinished({ path: folder, recipe }: Pick<Job, "path" | "recipe">): boolean {
  if (!existsSync(path.join(folder, "summary.json"))) return false;
  const all = differencesToRun(folder, recipe);
  // csrm verify may have been done on a row by itself, with settings of its own.
  const differences = recipe.verify.enabled ? all : all.filter((line) => !line.startsWith("verify."));
  if (differences.length > 0) throw otherConfiguration(folder, differences, "choose another --out");
  return true;
}
