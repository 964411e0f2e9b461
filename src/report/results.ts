/** Results of a run in full: the table of evaluations, bars per class, threshold curves. */
import type { Evaluation } from "../evaluation/evaluation.ts";
import {
  isTextColumn,
  perClassTable,
  percent,
  summaryTable,
  type Table,
  thresholdText,
  titleOf,
} from "../evaluation/table.ts";
import { barChart } from "./bar-chart.ts";
import { classColour } from "./colours.ts";
import { html, type Markup, raw } from "./format.ts";
import { type Styles, stylesOf } from "./key-numbers.ts";
import { lineChart } from "./line-chart.ts";
import { bySplit, oneOfEachSort, type RunData } from "./run-data.ts";

/** Tables, per-class bars and sweeps; nothing before the first evaluation. */
export function resultsSection({ evaluations }: RunData): Markup | null {
  if (evaluations.length === 0) return null;
  const styles = stylesOf(evaluations);
  const splits = bySplit(evaluations);
  return html`<section><h2>Evaluation</h2>
<p class="note">Every figure with the list it was measured on and how its threshold was chosen. FP and FN are means over the foreground classes.</p>
<div class="card scroll">${table(summaryTable(splits.flatMap(([, list]) => list)))}</div>
<h2>Classes</h2><p class="note">IoU per class in percent.</p>
<div class="cards">${splits.map(([split, list]) => classBars(split, list, styles))}</div>
<details><summary>As a table</summary><div class="card scroll">${splits.map(([, list]) => classTable(list))}</div></details>
${sweeps(splits, styles)}</section>`;
}

function table(figures: Table): Markup {
  const long = figures.header.map((_, column) => figures.rows.some((row) => row[column]!.length > 14));
  const style = (column: number) =>
    raw(column > 0 && isTextColumn(figures, column) ? ` class="text${long[column] ? " long" : ""}"` : "");
  const row = (cells: readonly string[]) =>
    html`<tr>${cells.map((cell, i) => (i === 0 ? html`<th>${cell}</th>` : html`<td${style(i)}>${cell}</td>`))}</tr>`;
  return html`<table><thead><tr>${figures.header.map((title, i) => html`<th${style(i)}>${title}</th>`)}</tr></thead>
<tbody>${figures.rows.map(row)}</tbody></table>`;
}

/** Evaluations of one split that share the first one's classes; others could not stand side by side. */
function comparable(list: readonly Evaluation[]): Evaluation[] {
  return list.filter((e) => e.names.join("\n") === list[0]!.names.join("\n"));
}

function classBars(split: string, list: readonly Evaluation[], styles: Styles): Markup {
  const shown = oneOfEachSort(comparable(list));
  const { names, ids } = shown[0]!;
  const groups = names.map((name, k) => ({
    name,
    chip: classColour(ids[k]!),
    values: shown.map((e) => (e.truth[k] === 0 ? null : e.iou[k]!)),
  }));
  const series = shown.map((e) => ({ name: titleOf(e), style: styles.get(titleOf(e))! }));
  const chart = barChart({
    title: `IoU per class on ${split}`,
    groups,
    series,
    max: 1,
    format: percent,
    formatTick: percentTick,
  });
  return html`<article class="card"><h3>${split}</h3>${raw(chart)}</article>`;
}

function classTable(list: readonly Evaluation[]): Markup {
  const shown = comparable(list);
  const { header, rows } = perClassTable(shown);
  const body = rows.map((row, k) => {
    const highest = Math.max(...shown.map((e) => (k < e.iou.length ? e.iou[k]! : e.miou)));
    const cells = shown.map((e, i) => {
      const best = shown.length > 1 && (k < e.iou.length ? e.iou[k]! : e.miou) === highest;
      return html`<td${raw(best ? ' class="best"' : "")}>${row[i + 1]!}</td>`;
    });
    const id = shown[0]!.ids[k];
    const chip = id !== undefined && html`<i class="chip" style="background:${classColour(id)}"></i>`;
    return html`<tr><th>${chip}${row[0]!}</th>${cells}</tr>`;
  });
  return html`<table><thead><tr>${header.map((title) => html`<th>${title}</th>`)}</tr></thead><tbody>${body}</tbody></table>`;
}

function sweeps(splits: readonly [string, Evaluation[]][], styles: Styles): Markup | null {
  const cards = splits.flatMap(([split, list]) => {
    const lines = list.flatMap((e) => {
      if (!e.sweep || !e.best) return [];
      const { threshold, miou } = e.best;
      const text = `${titleOf(e)}: best ${percent(miou)} at ${thresholdText(threshold)}`;
      const [x, y] = [e.sweep.map((p) => p.threshold), e.sweep.map((p) => p.miou)];
      return [{ name: titleOf(e), x, y, style: styles.get(titleOf(e))!, mark: { x: threshold, y: miou, text } }];
    });
    if (lines.length === 0) return [];
    const options = { xLabel: "background threshold", width: 420, height: 250, legend: true, formatY: percentTick };
    const chart = lineChart({ title: `Mean IoU over the threshold on ${split}`, lines, ...options });
    return [html`<article class="card"><h3>${split}</h3>${raw(chart)}</article>`];
  });
  if (cards.length === 0) return null;
  return html`<h2>Threshold sweep</h2><p class="note">Mean IoU in percent of activation maps and segmentation over the background threshold; dots mark the best.</p>
<div class="cards">${cards}</div>`;
}

/** 0.25 → "25". */
function percentTick(value: number): string {
  return String(Number((value * 100).toFixed(1)));
}
