/** Writes what came of an experiment: table.md, table.csv, figure.svg and figure.png. */
import path from "node:path";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { writeFileAtomic } from "../files.ts";
import { encodeCsv } from "../formats/csv.ts";
import { augmentationText, predictSettings } from "../inference/predict-settings.ts";
import { listName } from "../pipeline/predictions.ts";
import { type Line, lineChart } from "../report/line-chart.ts";
import { writeChart } from "../report/standalone.ts";
import type { Recipe } from "../training/config.ts";
import { resultsCsv, resultsMarkdown } from "./render.ts";
import { type Column, figureOf, type Results } from "./results.ts";

export interface Outcome {
  title: string;
  /** Sentences on how the figures were made. */
  notes: readonly string[];
  results: Results;
}

/** The files of an outcome in a folder that exists. @returns their paths */
export async function writeOutcome(out: string, outcome: Outcome): Promise<string[]> {
  const { title, notes, results } = outcome;
  const [markdown, csv, figure] = ["table.md", "table.csv", "figure"].map((name) => path.join(out, name));
  await writeFileAtomic(markdown!, resultsMarkdown(title, notes, results));
  await writeFileAtomic(csv!, encodeCsv(resultsCsv(results)));
  await writeChart(figure!, rowsChart(title, results));
  return [markdown!, csv!, `${figure}.svg`, `${figure}.png`];
}

/** Mean IoU over the rows of a table, a line a column, with the deviation over seeds as whiskers. */
export function rowsChart(title: string, results: Results): string {
  const { rows, columns } = results;
  const lines = columns.flatMap((column, i) => lineOf(results, column, COLOURS[i % COLOURS.length]!) ?? []);
  return lineChart({
    title,
    xLabel: "",
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

const COLOURS = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s0", "s9", "s8"];

function lineOf({ rows }: Results, column: Column, style: string): Line | null {
  const points = rows.flatMap((row, x) => {
    const figure = figureOf(row, column);
    return figure ? [{ x, ...figure }] : [];
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
