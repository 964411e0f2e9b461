/** The results of an experiment as Markdown, CSV and JSON. */
import type { Table } from "../evaluation/table.ts";
import { renderMarkdown } from "../evaluation/table.ts";
import { type Column, changeOf, figureOf, type ResultRow, type Results, seedsOf } from "./results.ts";
import { type Spread, spreadText } from "./statistics.ts";

/** What --json prints; figures are fractions. */
export interface ResultsJson {
  seeds: number[];
  rows: {
    key: string;
    label: string;
    figures: {
      method: string;
      split: string;
      n: number;
      mean: number;
      deviation: number | null;
      /** By seed. */
      values: Record<string, number>;
      /** Against the row `to`, seed by seed. */
      change: { to: string; points: Spread; relative: Spread } | null;
    }[];
  }[];
}

export function resultsJson(results: Results): ResultsJson {
  const figure = (row: ResultRow, column: Column) => {
    const found = figureOf(row, column);
    if (found === null) return [];
    const change = changeOf(results, row, column);
    const { method, split } = column;
    const values = Object.fromEntries(row.values.get(column)!);
    return [{ method, split, ...found, values, change: change && { to: row.against!, ...change } }];
  };
  const rows = results.rows.map((row) => ({
    key: row.key,
    label: row.label,
    figures: results.columns.flatMap((column) => figure(row, column)),
  }));
  return { seeds: seedsOf(results), rows };
}

/** One line a figure, fractions with all their digits, a column a seed. */
export function resultsCsv(results: Results): (string | number)[][] {
  const { seeds, rows } = resultsJson(results);
  const head = ["row", "label", "method", "split", "n", "mean", "deviation"];
  const change = ["against", "change", "change_deviation", "relative_change", "relative_change_deviation"];
  const lines = rows.flatMap(({ key, label, figures }) =>
    figures.map((figure) => [
      ...[key, label, figure.method, figure.split, figure.n, figure.mean, figure.deviation ?? ""],
      ...(figure.change
        ? [figure.change.to, ...spreadCells(figure.change.points), ...spreadCells(figure.change.relative)]
        : change.map(() => "")),
      ...seeds.map((seed) => figure.values[seed] ?? ""),
    ]),
  );
  return [[...head, ...change, ...seeds.map((seed) => `seed ${seed}`)], ...lines];
}

function spreadCells({ mean, deviation }: Spread): (string | number)[] {
  return [mean, deviation ?? ""];
}

/** Percent, mean ± deviation; a cell with fewer seeds than the table says so. */
export function figuresTable(results: Results): Table {
  const seeds = seedsOf(results).length;
  const cell = (row: ResultRow, column: Column) => {
    const found = figureOf(row, column);
    if (found === null) return "–";
    return spreadText(found) + (found.n < seeds ? ` (n = ${found.n})` : "");
  };
  return {
    header: ["", ...results.columns.map(({ title }) => title)],
    rows: results.rows.map((row) => [row.label, ...results.columns.map((column) => cell(row, column))]),
  };
}

/** Changes in points, with the mean relative change behind; null where no row is held against another. */
export function changesTable(results: Results): Table | null {
  const compared = results.rows.filter((row) => row.against !== null);
  const cell = (row: ResultRow, column: Column) => {
    const change = changeOf(results, row, column);
    return change === null ? "–" : `${spreadText(change.points, true)} (${relativeText(change.relative)})`;
  };
  if (compared.length === 0) return null;
  const label = (key: string | null) => results.rows.find((row) => row.key === key)?.label ?? "–";
  return {
    header: ["", "against", ...results.columns.map(({ title }) => title)],
    textColumns: [1],
    rows: compared.map((row) => [row.label, label(row.against), ...results.columns.map((column) => cell(row, column))]),
  };
}

function relativeText({ mean }: Spread): string {
  return `${spreadText({ mean, deviation: null }, true)} %`;
}

/** table.md: how it was measured, figures, changes. @param notes sentences before the table */
export function resultsMarkdown(title: string, notes: readonly string[], results: Results): string {
  const seeds = seedsOf(results);
  const over =
    seeds.length > 1
      ? `mean ± sample standard deviation over ${seeds.length} seeds (${seeds.join(", ")})`
      : `one seed (${seeds.join(", ")})`;
  const changes = changesTable(results);
  return [
    `# ${title}`,
    `Mean IoU in percent, background included; ${over}. ${notes.join(" ")}`.trim(),
    renderMarkdown(figuresTable(results)),
    ...(changes
      ? ["Change seed by seed, in points (and in percent of what it is held against):", renderMarkdown(changes)]
      : []),
    "![figure](figure.png)",
    "",
  ].join("\n\n");
}
