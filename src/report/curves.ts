/** Curves of a stage: one small chart a loss, raw values pale behind a smoothed line. */

import { duration, html, type Markup, raw } from "./format.ts";
import type { Line } from "./line-chart.ts";
import { lineChart } from "./line-chart.ts";
import type { Series } from "./metrics-log.ts";
import type { StageLog } from "./run-data.ts";

/** Points of a drawn line; more could not be told apart. */
const MAX_POINTS = 240;
/** Length of the smoothing as a part of the curve. */
const SMOOTHING = 1 / 30;

const TITLES: Record<string, string> = {
  pretrain: "Start classifier",
  train: "CSRM training",
  predict: "Prediction",
  refine: "Refinement",
  verify: "Verification network",
  evaluate: "Evaluation",
};

/** The section of one stage; nothing where it recorded no numbers. */
export function stageSection({ name, log }: StageLog): Markup | null {
  if (log.losses.length === 0 && log.others.length === 0) return null;
  const smoothing = windowOf(Math.max(0, ...log.losses.map((series) => series.values.length)));
  const facts = [
    log.lastStep !== null && `${log.lastStep.toLocaleString("en")} steps`,
    log.seconds !== null && duration(log.seconds),
    smoothing > 1 && `lines smoothed over ${smoothing} records`,
  ].filter((fact) => fact !== false);
  return html`<section><h2>${TITLES[name] ?? name}</h2><p class="note">${facts.join(" · ")}</p>
<div class="cards small">${log.losses.map((series) => curve(series, "s1"))}</div>
${
  log.others.length > 0 &&
  html`<details${raw(log.losses.length === 0 ? " open" : "")}><summary>Other recorded numbers (${log.others.length})</summary>
<div class="cards small">${log.others.map((series) => curve(series, "s3"))}</div></details>`
}</section>`;
}

function windowOf(length: number): number {
  return Math.max(1, Math.round(length * SMOOTHING));
}

function curve(series: Series, style: string): Markup {
  const { name, steps, values } = series;
  const smoothed = movingAverage(values, windowOf(values.length));
  const last = smoothed.at(-1)!;
  const lines: Line[] = [
    { name: `${name}, raw`, ...thin(steps, values), style, faint: true },
    { name, ...thin(steps, smoothed), style, mark: { x: steps.at(-1)!, y: last, text: `${name} ${figure(last)}` } },
  ];
  const chart = lineChart({ title: `${name} over steps`, xLabel: "step", lines, yRange: rangeOf(values, smoothed) });
  return html`<figure class="card"><h3>${name} <small>${figure(last)}</small></h3>${raw(chart)}</figure>`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/**
 * Exponential moving average whose weights of the values seen so far sum to one, so that it starts at the first value.
 * @param length about how many values it averages
 */
export function movingAverage(values: readonly number[], length: number): number[] {
  const keep = 1 - 1 / Math.max(1, length);
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = sum * keep + value;
    weight = weight * keep + 1;
    return sum / weight;
  });
}

/** At most MAX_POINTS points: of every stretch the lowest and the highest, so that peaks survive. */
export function thin(x: readonly number[], y: readonly number[]): { x: number[]; y: number[] } {
  if (x.length <= MAX_POINTS) return { x: [...x], y: [...y] };
  const kept = new Set([0, x.length - 1]);
  const stretches = MAX_POINTS / 2 - 1;
  for (let s = 0; s < stretches; s++) {
    const [from, to] = [Math.floor((s * x.length) / stretches), Math.floor(((s + 1) * x.length) / stretches)];
    let [low, high] = [from, from];
    for (let i = from; i < to; i++) {
      if (y[i]! < y[low]!) low = i;
      if (y[i]! > y[high]!) high = i;
    }
    kept.add(low).add(high);
  }
  const indices = [...kept].sort((a, b) => a - b);
  return { x: indices.map((i) => x[i]!), y: indices.map((i) => y[i]!) };
}

/**
 * What the axis shows: all of the smoothed line and 98 % of the raw values, so that one spike does not flatten the
 * rest.
 */
function rangeOf(values: readonly number[], smoothed: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (fraction: number) => sorted[Math.round(fraction * (sorted.length - 1))]!;
  const low = smoothed.reduce((a, b) => Math.min(a, b), at(0.01));
  const high = smoothed.reduce((a, b) => Math.max(a, b), at(0.99));
  return [low > 0 && low < high / 2 ? 0 : low, high];
}
