/** Writes what came of an experiment: table.md, table.csv, figure.svg and figure.png. */
import type { Evaluation } from "../evaluation/evaluation.ts";
import { augmentationText, predictSettings } from "../inference/predict-settings.ts";
import { listName } from "../pipeline/predictions.ts";
import { type Line, lineChart } from "../report/line-chart.ts";
import type { Recipe } from "../training/config.ts";
import { resultsCsv, resultsMarkdown } from "./render.ts";
import { type Column, figureOf, type Results } from "./results.ts";
import { writeView } from "./view.ts";

export interface Outcome {
  title: string;
  /** Sentences on how the figures were made. */
  notes: readonly string[];
  results: Results;
}

/** The files of an outcome in a folder. @returns their paths */
export function writeOutcome(out: string, { title, notes, results }: Outcome): Promise<string[]> {
  const text = resultsMarkdown(title, notes, results);
  return writeView(out, { text, csv: resultsCsv(results), chart: rowsChart(title, results) });
}

/** Mean IoU over the rows of a table, a line a column, with the deviation over seeds as whiskers. */
export function rowsChart(title: string, results: Results): string {
  const { rows, columns } = results;
  const lines = columns.flatMap((column, i) => {
    // Beside each other, so that whiskers do not cover each other.
    const shift = (i - (columns.length - 1) / 2) * 0.05;
    return lineOf(results, column, { style: SERIES_STYLES[i % SERIES_STYLES.length]!, shift }) ?? [];
  });
  return lineChart({
    title,
    xLabel: "mean IoU in percent",
    lines,
    width: 120 + 130 * rows.length,
    height: 360,
    legend: true,
    xRange: [-0.4, rows.length - 0.6],
    xTicks: rows.map((_, i) => i),
    formatX: (i) => rows[i]!.label,
    formatY: percentTick,
  });
}

/** Style classes of lines and bars, in the order in which they are given out. */
export const SERIES_STYLES = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s0", "s9", "s8"];

function lineOf({ rows }: Results, column: Column, { style, shift }: { style: string; shift: number }): Line | null {
  const points = rows.flatMap((row, i) => {
    const figure = figureOf(row, column);
    return figure ? [{ x: i + shift, ...figure }] : [];
  });
  if (points.length === 0) return null;
  return {
    name: column.title,
    x: points.map(({ x }) => x),
    y: points.map(({ mean }) => mean),
    whiskers: points.map(({ deviation }) => deviation),
    style,
  };
}

/** 0.255 → "25.5". */
export function percentTick(fraction: number): string {
  return String(Number((100 * fraction).toFixed(2)));
}

/** How the figures of runs of a recipe were made, for the line above a table. */
export function measuringNotes(recipe: Recipe, evaluations: readonly Evaluation[]): string[] {
  const counts = new Map(evaluations.map(({ split, count }) => [split ?? "all images", count]));
  const images = [...counts].map(([split, count]) => `${split} has ${count} images`).join(", ");
  const { threshold, tags } = recipe.predict;
  const first = listName(recipe.data.lists.score[0] ?? null);
  const chosen =
    threshold === "train" ? `each run's thresholds are the best on its ${first}` : `threshold ${threshold}`;
  const single = evaluations.some(({ method }) => method?.endsWith("_single")) ? " (single: none)" : "";
  return [
    `Recipe ${recipe.name}; ${images}; ${tags === "known" ? "known tags" : `tags: ${tags}`}; ${chosen};`,
    `test-time augmentation: ${augmentationText(predictSettings(recipe))}${single}.`,
  ];
}
