/** The evaluations of an experiment's runs that are done. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { readEvaluations } from "../report/run-data.ts";
import { runFolder } from "./plan.ts";

/** By a row's key: the evaluations of every seed whose run is done. */
export function finishedEvaluations(
  out: string,
  seeds: readonly number[],
): (key: string) => ReadonlyMap<number, Evaluation[]> {
  return (key) => {
    const folders = seeds.map((seed) => [seed, runFolder(out, key, seed)] as const);
    const done = folders.filter(([, folder]) => existsSync(path.join(folder, "summary.json")));
    return new Map(done.map(([seed, folder]) => [seed, readEvaluations(path.join(folder, "evaluate"))]));
  };
}
