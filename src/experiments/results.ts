/** Figures of an experiment: mean IoU by row, column and seed, and what they come to over the seeds. */
import type { Evaluation } from "../evaluation/evaluation.ts";
import { titleOf } from "../evaluation/table.ts";
import { compareSplits } from "../report/run-data.ts";
import { type Spread, spread } from "./statistics.ts";

/** A column of the table: what was measured, on which list. */
export interface Column {
  /** Key of the method as evaluate/*.json has it; "" where each row has its own. */
  method: string;
  split: string;
  title: string;
}

/** A row of the table. */
export interface ResultRow {
  key: string;
  label: string;
  /** Key of the row that it is held against, seed by seed; null: none. */
  against: string | null;
  /** By column, then by seed: fractions. */
  values: ReadonlyMap<Column, ReadonlyMap<number, number>>;
}

export interface Results {
  columns: readonly Column[];
  rows: readonly ResultRow[];
}

/** Change of a row against another, seed by seed: only seeds that both have count. */
export interface Change {
  /** Difference of the fractions. */
  points: Spread;
  /** Quotient − 1. */
  relative: Spread;
}

export function figureOf(row: ResultRow, column: Column): Spread | null {
  return spread([...(row.values.get(column)?.values() ?? [])]);
}

/** @returns null where there is nothing to hold it against */
export function changeOf({ rows }: Results, row: ResultRow, column: Column): Change | null {
  const before = rows.find(({ key }) => key === row.against)?.values.get(column);
  const pairs = [...(row.values.get(column) ?? [])].flatMap(([seed, value]) => {
    const other = before?.get(seed);
    return other === undefined ? [] : [{ value, other }];
  });
  const points = spread(pairs.map(({ value, other }) => value - other));
  const relative = spread(pairs.filter(({ other }) => other > 0).map(({ value, other }) => value / other - 1));
  return points && relative && { points, relative };
}

/** Every seed that some row has a figure of, ascending. */
export function seedsOf({ rows }: Results): number[] {
  const seeds = rows.flatMap(({ values }) => [...values.values()].flatMap((bySeed) => [...bySeed.keys()]));
  return [...new Set(seeds)].sort((a, b) => a - b);
}

/** One column a method and list, methods in the order that they are met in, lists of training images first. */
export function columnsOf(evaluations: readonly Evaluation[]): Column[] {
  const columns = new Map<string, Column>();
  for (const evaluation of evaluations) {
    const { method, split } = evaluation;
    if (method === null || split === null) continue;
    const column = { method, split, title: `${titleOf(evaluation)}, ${split}` };
    columns.set(`${method}\n${split}`, column);
  }
  const methods = [...new Set([...columns.values()].map(({ method }) => method))];
  return [...columns.values()].sort(
    (a, b) => methods.indexOf(a.method) - methods.indexOf(b.method) || compareSplits(a.split, b.split),
  );
}

/** The mean IoU that evaluations give a column; undefined where none is of its method and list. */
export function valueIn(evaluations: readonly Evaluation[], method: string, split: string): number | undefined {
  return evaluations.find((each) => each.method === method && each.split === split)?.miou;
}
