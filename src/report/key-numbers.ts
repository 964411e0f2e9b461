/** The figures that a reader wants first: mean IoU of every method beside its starting point. */
import { BEST_ON_THIS_SPLIT, type Evaluation } from "../evaluation/evaluation.ts";
import { percent, thresholdText, titleOf } from "../evaluation/table.ts";
import { html, type Markup } from "./format.ts";
import { bySplit, isObject, isStart, type Json, type RunData } from "./run-data.ts";

/** Style classes by title: grays for starting points, colours for what came of them. */
export type Styles = ReadonlyMap<string, string>;

const GRAYS = ["s0", "s8", "s9"];
const COLOURS = ["s1", "s2", "s3", "s4", "s5", "s6", "s7"];

/** The style of every title, the same everywhere in a report. */
export function stylesOf(evaluations: readonly Evaluation[]): Styles {
  const styles = new Map<string, string>();
  const used = { start: 0, other: 0 };
  for (const evaluation of evaluations) {
    const title = titleOf(evaluation);
    if (styles.has(title)) continue;
    const start = isStart(evaluation.method);
    styles.set(title, start ? GRAYS[used.start++ % GRAYS.length]! : COLOURS[used.other++ % COLOURS.length]!);
  }
  return styles;
}

/**
 * Cards with the mean IoU of every method, one card a split; from summary.json where nothing was evaluated in this
 * folder.
 */
export function keyNumbers({ evaluations, summary }: RunData): Markup | null {
  const styles = stylesOf(evaluations);
  const cards = bySplit(evaluations).map(
    ([split, list]) => html`<article class="card"><h3>${split} <small>${list[0]!.count} images</small></h3>
${list.map((e) => keyRow(e, list, styles.get(titleOf(e))!))}</article>`,
  );
  if (cards.length === 0) cards.push(...summaryCard(summary));
  if (cards.length === 0) return null;
  return html`<section><h2>Key numbers</h2><p class="note">Mean IoU in percent, background included.</p><div class="cards">${cards}</div></section>`;
}

function keyRow(evaluation: Evaluation, list: readonly Evaluation[], style: string): Markup {
  const { threshold, threshold_from, best, tta, miou } = evaluation;
  const made = [
    threshold !== null && `threshold ${thresholdText(threshold)}, ${threshold_from}`,
    best !== null &&
      threshold_from !== BEST_ON_THIS_SPLIT &&
      `best here ${percent(best.miou)} at ${thresholdText(best.threshold)}`,
    tta !== null && `TTA: ${tta}`,
  ].filter((text) => text !== false);
  return html`<div class="key ${style}"><b>${titleOf(evaluation)}</b>${gainOver(startFor(evaluation, list), evaluation)}
<strong>${percent(miou)}</strong><i style="width:${(100 * miou).toFixed(1)}%"></i><small>${made.join(" · ")}</small></div>`;
}

/**
 * Like is compared with like: the starting point with the same CRF and augmentation, else with the same CRF, else the
 * first.
 */
function startFor(evaluation: Evaluation, list: readonly Evaluation[]): Evaluation | null {
  if (isStart(evaluation.method)) return null;
  const starts = list.filter((other) => isStart(other.method));
  const sameCrf = starts.filter((start) => (start.crf ?? false) === (evaluation.crf ?? false));
  return sameCrf.find((start) => start.tta === evaluation.tta) ?? sameCrf[0] ?? starts[0] ?? null;
}

function gainOver(start: Evaluation | null, evaluation: Evaluation): Markup | null {
  if (start === null || start.miou === 0) return null;
  const ratio = evaluation.miou / start.miou;
  return html`<span class="gain${ratio < 1 && " loss"}" title="against ${titleOf(start)}">× ${ratio.toFixed(2)}</span>`;
}

function summaryCard(summary: Json): Markup[] {
  const rows = Object.entries(summary).flatMap(([name, value]) =>
    isObject(value) && typeof value.miou === "number" ? [{ name, miou: value.miou }] : [],
  );
  if (rows.length === 0) return [];
  const lines = rows.map(
    ({
      name,
      miou,
    }) => html`<div class="key ${isStart(name) ? "s0" : "s1"}"><b>${name}</b><strong>${percent(miou)}</strong>
<i style="width:${(100 * miou).toFixed(1)}%"></i></div>`,
  );
  return [html`<article class="card">${lines}</article>`];
}
