/** An experiment's folder: experiment.yaml (what it consists of), runs/, table.md, table.csv, figure.svg and figure.png. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { stringify } from "yaml";
import { CsrmError, expected } from "../errors.ts";
import { isTemporary, writeFileAtomicSync } from "../files.ts";
import { otherConfiguration, recipeDifferences } from "../run-folder.ts";
import { isLock, lockSoon } from "../run-lock.ts";
import { makeFolder } from "../run-stage.ts";
import { isTree, readYamlMapping, type Tree } from "../training/config/layers.ts";
import type { Plan } from "./plan.ts";

/** What experiment.yaml says. */
export interface StoredExperiment {
  experiment: string;
  /** Labels by key, in order. */
  rows: Record<string, string>;
  seeds: number[];
  recipe: Tree;
}

const FILE = "experiment.yaml";

/** Whether a folder is that of an experiment. */
export function isExperiment(folder: string): boolean {
  return existsSync(path.join(folder, FILE));
}

/** @throws CsrmError naming the file when something is missing in it */
export function readExperiment(folder: string): StoredExperiment {
  const file = path.join(folder, FILE);
  const { experiment, rows, seeds, recipe } = readYamlMapping(file);
  const numbers = Array.isArray(seeds) && seeds.every((seed) => Number.isSafeInteger(seed));
  if (typeof experiment !== "string" || !isTree(rows) || !numbers || !isTree(recipe)) {
    throw expected("experiment, rows, seeds and recipe", file, { experiment, rows, seeds });
  }
  return { experiment, rows: rows as Record<string, string>, seeds: seeds as number[], recipe };
}

/**
 * Makes the folder, or checks that the experiment in it is this one: other rows and seeds of it are added to those that are there.
 * Several processes may do so at once.
 * @returns all rows and seeds of the experiment, those of earlier calls included
 * @throws CsrmError (code "config") listing how the recipes differ; (code "file") for a folder of something else
 */
export async function openExperiment(plan: Plan): Promise<StoredExperiment> {
  makeFolder(plan.out);
  const lock = await lockSoon(plan.out);
  try {
    return addTo(plan);
  } finally {
    lock.release();
  }
}

function addTo({ experiment, out, recipe, rows, seeds }: Plan): StoredExperiment {
  const before = isExperiment(out) ? readExperiment(out) : null;
  if (before) assertSame(before, { experiment, out, recipe });
  else if (readdirSync(out).some((name) => !isTemporary(name) && !isLock(name))) {
    throw new CsrmError(`${out} holds files but no ${FILE}, so it is no experiment; choose another --out`, {
      code: "file",
    });
  }
  const labels = Object.fromEntries(rows.map(({ key, label }) => [key, label]));
  const stored = {
    experiment,
    rows: { ...before?.rows, ...labels },
    seeds: [...new Set([...(before?.seeds ?? []), ...seeds])].sort((a, b) => a - b),
    recipe: before?.recipe ?? (JSON.parse(JSON.stringify(recipe)) as Tree),
  };
  writeFileAtomicSync(path.join(out, FILE), stringify(stored));
  return stored;
}

function assertSame(
  before: StoredExperiment,
  { experiment, out, recipe }: Pick<Plan, "experiment" | "out" | "recipe">,
) {
  if (before.experiment !== experiment) {
    throw expected(`a folder of experiment ${experiment}`, "--out", out, `it holds experiment ${before.experiment}`);
  }
  const differences = recipeDifferences(before.recipe, recipe).filter((line) => !line.startsWith("seed: "));
  if (differences.length > 0) throw otherConfiguration(out, differences, "choose another --out");
}
