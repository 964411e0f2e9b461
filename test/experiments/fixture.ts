/** Runs as folders with evaluations alone, for experiments that only look at them. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Confusion } from "../../src/evaluation/confusion.ts";
import { type Evaluation, evaluationOfLabels } from "../../src/evaluation/evaluation.ts";
import type { Column, ResultRow, Results } from "../../src/experiments/results.ts";

export const CLASSES = { ids: [0, 8, 12], names: ["background", "cat", "dog"] };

/** An evaluation of label maps in which so many of 100 pixels of every class are right, the others background (of background: cat). */
export function evaluation(right: readonly number[], changes: Partial<Evaluation> = {}): Evaluation {
  const confusion = new Confusion(right.length);
  for (const [k, count] of right.entries()) {
    confusion.counts[k * right.length + k]! += count;
    confusion.counts[k * right.length + (k === 0 ? 1 : 0)]! += 100 - count;
  }
  return { ...evaluationOfLabels(confusion, { classes: CLASSES, count: 2 }), ...changes };
}

/** RUN with evaluate/<list>-<method>.json. */
export function saveRun(
  folder: string,
  evaluations: readonly Evaluation[],
  config = "model: {backbone: resnet18}\n",
): string {
  mkdirSync(path.join(folder, "evaluate"), { recursive: true });
  writeFileSync(path.join(folder, "config.yaml"), config);
  for (const each of evaluations) {
    writeFileSync(path.join(folder, "evaluate", `${each.split}-${each.method}.json`), JSON.stringify(each));
  }
  return folder;
}

/** A table with one value a seed: rows[i].values[column][seed]; undefined where there is none. */
export function resultsFrom(columns: readonly Column[], rows: Record<string, (number | undefined)[][]>): Results {
  const keys = Object.keys(rows);
  return {
    columns,
    rows: keys.map((key, i): ResultRow => {
      const values = columns.map((column, c) => {
        const bySeed = rows[key]![c]!.flatMap((value, seed) => (value === undefined ? [] : [[seed, value] as const]));
        return [column, new Map(bySeed)] as const;
      });
      return { key, label: key.toUpperCase(), against: keys[i - 1] ?? null, values: new Map(values) };
    }),
  };
}
