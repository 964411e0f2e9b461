/** Table 1 of the paper: what each loss adds, each row from the same start, seed by seed. */
import type { Evaluation } from "../evaluation/evaluation.ts";
import type { StoredExperiment } from "./experiment-folder.ts";
import { finishedEvaluations } from "./finished.ts";
import { measuringNotes, type Outcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import { type Column, columnsOf, type ResultRow, valueIn } from "./results.ts";
import { ablationRows } from "./rows.ts";

const START = "start";

/** What is there so far; null before any row has a run that is done. */
export function ablationOutcome({ out, recipe }: Plan, { rows, seeds }: StoredExperiment): Outcome | null {
  const of = finishedEvaluations(out, seeds);
  const keys = ablationRows.map(({ key }) => key).filter((key) => key in rows);
  const measured = keys.flatMap((key) => [...of(key).values()].flat());
  if (measured.length === 0) return null;
  const columns = columnsOf(measured);
  const row = (key: string, label: string, against: string | null): ResultRow => {
    const method = key === START ? startMethods(columns) : (column: Column) => column.method;
    return { key, label, against, values: valuesOf(of(key), columns, method) };
  };
  return {
    title: "Ablation: what each loss adds",
    notes: measuringNotes(recipe, measured),
    results: {
      columns,
      rows: [row(START, START, null), ...keys.map((key, i) => row(key, rows[key]!, keys[i - 1] ?? START))],
    },
  };
}

/** The start's method that a column is held against: activation maps against activation maps, refined against refined. */
function startMethods(columns: readonly Column[]): (column: Column) => string | null {
  const methods = new Set(columns.map(({ method }) => method));
  return ({ method }) => {
    // Where a segmentation branch makes the label maps, the activation maps have a method of their own.
    const hasOwnCam = methods.has(method.replace(/^csrm/, "csrm_cam"));
    return hasOwnCam ? null : method.replace(/^csrm(_cam)?/, START);
  };
}

/** By column and seed. @param methodOf the method that gives a column its figure; null: none does */
export function valuesOf(
  runs: ReadonlyMap<number, readonly Evaluation[]>,
  columns: readonly Column[],
  methodOf: (column: Column) => string | null,
): ResultRow["values"] {
  const bySeed = (column: Column) => {
    const method = methodOf(column);
    return [...runs].flatMap(([seed, evaluations]) => {
      const value = method === null ? undefined : valueIn(evaluations, method, column.split);
      return value === undefined ? [] : [[seed, value] as const];
    });
  };
  return new Map(columns.map((column) => [column, new Map(bySeed(column))]));
}
