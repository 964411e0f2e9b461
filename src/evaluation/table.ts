/** Evaluations as tables, for terminals and for Markdown: percent with one decimal. */
import { basename } from "node:path";
import { BEST_ON_THIS_SPLIT, type Evaluation } from "./evaluation.ts";

export interface Table {
  header: string[];
  /** Columns of text, beside the first: aligned left; all others are figures. */
  textColumns?: readonly number[];
  rows: string[][];
}

/** 0.4473 → "44.7". */
export function percent(fraction: number): string {
  return (fraction * 100).toFixed(1);
}

/** A threshold as short as it can be: 0.35, 0.375. */
export function thresholdText(threshold: number): string {
  return String(Number(threshold.toFixed(4)));
}

/** The name of an evaluation in tables: its label, its method, or the folder of its predictions. */
export function titleOf(evaluation: Pick<Evaluation, "label" | "method" | "predictions">): string {
  return evaluation.label ?? evaluation.method ?? basename(evaluation.predictions ?? "predictions");
}

/** One row an evaluation: figures, and how they were made. */
export function summaryTable(evaluations: readonly Evaluation[]): Table {
  return {
    header: ["", "split", "images", "threshold", "TTA", "CRF", "mIoU", "mIoU fg", "FP", "FN", "best mIoU on split"],
    textColumns: [1, 3, 4, 5],
    rows: evaluations.map((e) => [
      titleOf(e),
      e.split ?? "–",
      String(e.count),
      e.threshold === null ? "–" : `${thresholdText(e.threshold)} (${e.threshold_from})`,
      e.tta ?? "not stated",
      e.crf === null ? "not stated" : e.crf ? "yes" : "no",
      percent(e.miou),
      percent(e.miou_fg),
      percent(e.fp),
      percent(e.fn),
      bestText(e),
    ]),
  };
}

function bestText({ best, threshold_from }: Evaluation): string {
  if (best === null) return "–";
  return threshold_from === BEST_ON_THIS_SPLIT
    ? "the same"
    : `${percent(best.miou)} at ${thresholdText(best.threshold)}`;
}

/**
 * One row a class, one column of IoU an evaluation; all evaluations must be of the same classes. A class without
 * pixels in the masks is marked.
 */
export function perClassTable(evaluations: readonly Evaluation[]): Table {
  const names = evaluations[0]?.names ?? [];
  const titles = evaluations.map((e) => (e.split ? `${titleOf(e)}, ${e.split}` : titleOf(e)));
  const cell = (e: Evaluation, k: number) => percent(e.iou[k]!) + (e.truth[k] === 0 ? " (not in the masks)" : "");
  return {
    header: ["class", ...titles],
    rows: [
      ...names.map((name, k) => [name, ...evaluations.map((e) => cell(e, k))]),
      ["mean", ...evaluations.map((e) => percent(e.miou))],
    ],
  };
}

/** One row a threshold. */
export function sweepTable(evaluation: Evaluation): Table {
  return {
    header: ["threshold", "mIoU", "mIoU fg", "FP", "FN"],
    rows: (evaluation.sweep ?? []).map((p) => [
      thresholdText(p.threshold) + (p.threshold === evaluation.best?.threshold ? " *" : ""),
      ...[p.miou, p.miou_fg, p.fp, p.fn].map(percent),
    ]),
  };
}

/** Whether a column is aligned left. */
export function isTextColumn({ textColumns = [] }: Table, column: number): boolean {
  return column === 0 || textColumns.includes(column);
}

/** Columns padded with spaces: text to the left, figures to the right. */
export function renderText(table: Table): string {
  const { header, rows } = table;
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, i: number) =>
    isTextColumn(table, i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!);
  const line = (cells: string[]) => cells.map(pad).join("  ").trimEnd();
  return [line(header), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** A GitHub-flavoured Markdown table. */
export function renderMarkdown(table: Table): string {
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = table.header.map((_, i) => (isTextColumn(table, i) ? "---" : "---:"));
  return [line(table.header), `|${rule.join("|")}|`, ...table.rows.map(line)].join("\n");
}
