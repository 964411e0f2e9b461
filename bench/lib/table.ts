/** Sections of a result as aligned text and as Markdown tables. */
import type { Timing } from "../measure.ts";
import type { Row, Section } from "./result.ts";

/** Seconds in the unit that suits them: "1.23 s", "45.6 ms", "7.89 µs". */
export function duration(seconds: number): string {
  if (seconds >= 0.9995) return `${significant(seconds)} s`;
  return seconds >= 0.0009995 ? `${significant(seconds * 1e3)} ms` : `${significant(seconds * 1e6)} µs`;
}

/** A number with three digits that count, without an exponent. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(3));
  const digits = 2 - Math.floor(Math.log10(Math.abs(rounded)));
  return rounded.toFixed(Math.min(Math.max(digits, 0), 4));
}

/** The median, with the least and the most of several runs. */
export function spread({ median, min, max, runs }: Timing, show: (value: number) => string): string {
  return runs === 1 ? show(median) : `${show(median)} (${show(min)} … ${show(max)})`;
}

const shows = {
  seconds: duration,
  "per second": significant,
  times: (value: number) => value.toFixed(2),
} satisfies Record<Section["unit"], (value: number) => string>;

/** Header and rows; a column that no row fills is left out. */
export function cellsOf(section: Section): string[][] {
  const show = shows[section.unit];
  const { peer, rows } = section;
  const more = [...new Set(rows.flatMap((row) => Object.keys(row.more ?? {})))];
  const columns: [string, (row: Row) => string | undefined][] = [
    ["", (row) => row.what],
    ["csrm", (row) => spread(row.value, show)],
    [peer ?? "peer", ({ peer: of }) => (typeof of === "object" ? spread(of, show) : of)],
    ["csrm ÷ peer, time", ({ ratio }) => ratio && spread(ratio, ratioText)],
    ...more.map((title): [string, (row: Row) => string | undefined] => [title, (row) => row.more?.[title]]),
  ];
  const kept = columns.filter(([, cell]) => rows.some((row) => cell(row)));
  return [kept.map(([title]) => title), ...rows.map((row) => kept.map(([, cell]) => cell(row) ?? ""))];
}

/** Two decimals, of small ratios more. */
function ratioText(value: number): string {
  return value.toFixed(value < 0.01 ? 4 : value < 0.1 ? 3 : 2);
}

/** The section as it is shown in a terminal. */
export function sectionText(section: Section): string {
  const cells = cellsOf(section);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  "));
  return [section.title, ...lines.map((line) => `  ${line.trimEnd()}`), ...(section.notes ?? [])].join("\n");
}

/** The section as Markdown: heading of the third level, table, notes. */
export function sectionMarkdown(section: Section): string {
  const [header, ...rows] = cellsOf(section).map((row) => `| ${row.map(escapeCell).join(" | ")} |`);
  const rule = `|${cellsOf(section)[0]!
    .map(() => "---")
    .join("|")}|`;
  const notes = section.notes?.length ? ["", ...section.notes] : [];
  return [`### ${section.title}`, "", header, rule, ...rows, ...notes].join("\n");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
