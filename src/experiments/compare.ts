/** Tables 3 to 5 of the paper: methods side by side, in the mean and by class, and what the paper prints beside them on request. */
import { loadClasses } from "../data/classes.ts";
import type { ClassTable } from "../data/types.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { percent, renderMarkdown, type Table, titleOf } from "../evaluation/table.ts";
import { barChart } from "../report/bar-chart.ts";
import { classColour } from "../report/colours.ts";
import { compareSplits, splitOf } from "../report/run-data.ts";
import { percentTick, SERIES_STYLES } from "./outcome.ts";
import type { PublishedClasses, PublishedSet } from "./published.ts";
import { type Spread, spread, spreadText } from "./statistics.ts";
import { areOfSameImages, type Measured, measuredBy, type Subject } from "./subjects.ts";

/** Where figures come from: "measured" with csrm, or the paper's table. */
export interface ComparedRow {
  name: string;
  network: string | null;
  from: string;
  /** Fractions by list. */
  figures: ReadonlyMap<string, Spread>;
}

/** IoU by class of one list. */
export interface ComparedClasses {
  split: string;
  classes: { id: number; name: string }[];
  methods: ComparedMethod[];
}

/** `iou` by class; null where there is no figure. */
export interface ComparedMethod {
  name: string;
  from: string;
  iou: (Spread | null)[];
  mean: Spread | null;
}

export interface Comparison {
  splits: string[];
  rows: ComparedRow[];
  byClass: ComparedClasses[];
  /** Lists of one name that are not the same images, told as "val: 6 images of a, 100 of b". */
  unlike: string[];
}

export const MEASURED = "measured";

export function compare(subjects: readonly Subject[], paper: PublishedSet | null): Comparison {
  const measured = measuredBy(subjects, titleOf);
  const all = measured.flatMap(({ evaluations }) => evaluations);
  const splits = [...new Set(all.map(splitOf))].sort(compareSplits);
  const rows = measured.map(({ name, subject, evaluations }) => ({
    name,
    network: subject.sources[0]!.backbone,
    from: MEASURED,
    figures: figuresOf(splits, evaluations),
  }));
  return {
    splits: [...splits, ...(paper?.lists ?? [])],
    rows: [...rows, ...(paper ? printedRows(paper) : [])],
    byClass: splits.map((split) => classesOf(split, measured, paper)),
    unlike: splits.flatMap((split) => unlikeIn(split, subjects)),
  };
}

function unlikeIn(split: string, subjects: readonly Subject[]): string[] {
  const own = subjects.flatMap(({ label, sources }) => {
    const evaluation = sources.flatMap(({ evaluations }) => evaluations).find((each) => splitOf(each) === split);
    return evaluation ? [{ label, evaluation }] : [];
  });
  if (own.every(({ evaluation }) => areOfSameImages(evaluation, own[0]!.evaluation))) return [];
  return [`${split}: ${own.map(({ label, evaluation }) => `${evaluation.count} images of ${label}`).join(", ")}`];
}

/** @returns "" where all lists of one name are the same images */
export function unlikeText({ unlike }: Comparison): string {
  return unlike.length === 0 ? "" : `Lists of one name that are not the same images or classes: ${unlike.join("; ")}.`;
}

function figuresOf(splits: readonly string[], evaluations: readonly Evaluation[]): Map<string, Spread> {
  const found = splits.flatMap((split) => {
    const figure = spread(evaluations.filter((each) => splitOf(each) === split).map(({ miou }) => miou));
    return figure ? [[split, figure] as const] : [];
  });
  return new Map(found);
}

function printedRows({ title, rows }: PublishedSet): ComparedRow[] {
  return rows.map(({ method, network, miou }) => ({
    name: method,
    network,
    from: `paper, ${title}`,
    figures: new Map(Object.entries(miou).map(([list, value]) => [list, printed(value)])),
  }));
}

/** @param value in percent */
function printed(value: number): Spread {
  return { n: 1, mean: value / 100, deviation: null };
}

/** Of methods with the classes of the first: others could not stand in the same rows. */
function classesOf(split: string, measured: readonly Measured[], paper: PublishedSet | null): ComparedClasses {
  const here = measured.flatMap(({ name, evaluations }) => {
    const own = evaluations.filter((each) => splitOf(each) === split);
    return own.length > 0 ? [{ name, own }] : [];
  });
  const { ids, names } = here[0]!.own[0]!;
  const same = here.filter(({ own }) => own.every((each) => each.names.join("\n") === names.join("\n")));
  const ours = same.map(({ name, own }) => ({
    name,
    from: MEASURED,
    // A class without pixels in the masks has no IoU.
    iou: ids.map((_, k) => spread(own.filter(({ truth }) => truth[k]! > 0).map(({ iou }) => iou[k]!))),
    mean: spread(own.map(({ miou }) => miou)),
  }));
  const theirs = paper?.classes ? printedClasses(paper.classes, { ids, names }) : [];
  return { split, classes: ids.map((id, k) => ({ id, name: names[k]! })), methods: [...ours, ...theirs] };
}

/** Nothing where the classes are none of the paper's; a table's ids alone do not tell. */
function printedClasses({ table, title, list, rows }: PublishedClasses, { ids, names }: ClassTable): ComparedMethod[] {
  const all = loadClasses(table);
  const known = ids.map((id, k) => all.names[all.ids.indexOf(id)] === names[k]);
  if (!known.some((is, k) => is && k > 0)) return [];
  return rows.map(({ method, iou, mean }) => ({
    name: method,
    from: `paper, ${title}, ${list}`,
    iou: ids.map((id, k) => (known[k] ? printed(iou[id]!) : null)),
    // The mean over other classes is another figure.
    mean: known.every(Boolean) && ids.length === iou.length ? printed(mean) : null,
  }));
}

export function comparisonTable({ splits, rows }: Comparison): Table {
  return {
    header: ["", "network", "figures", "seeds", ...splits],
    textColumns: [1, 2],
    rows: rows.map(({ name, network, from, figures }) => [
      name,
      network ?? "–",
      from,
      from === MEASURED ? String(Math.max(...[...figures.values()].map(({ n }) => n))) : "–",
      ...splits.map((split) => text(figures.get(split))),
    ]),
  };
}

export function classTable({ classes, methods }: ComparedClasses): Table {
  const title = ({ name, from }: { name: string; from: string }) => (from === MEASURED ? name : `${name} (${from})`);
  return {
    header: ["class", ...methods.map(title)],
    rows: [
      ...classes.map(({ name }, k) => [name, ...methods.map(({ iou }) => text(iou[k]))]),
      ["mean", ...methods.map(({ mean }) => text(mean))],
    ],
  };
}

function text(figure: Spread | null | undefined): string {
  return figure ? spreadText(figure) : "–";
}

export function comparisonMarkdown(comparison: Comparison): string {
  const hasPrinted = comparison.rows.some(({ from }) => from !== MEASURED);
  const warning =
    " Rows marked paper are what it prints, of networks that their authors trained and measured on the full data sets; they were not measured here.";
  return [
    "# Methods side by side",
    `Mean IoU in percent, background included; where there are several seeds, mean ± sample standard deviation.${hasPrinted ? warning : ""}`,
    ...[unlikeText(comparison)].filter(Boolean),
    renderMarkdown(comparisonTable(comparison)),
    ...comparison.byClass.flatMap((each) => [`## IoU by class, ${each.split}`, renderMarkdown(classTable(each))]),
    "![figure](figure.png)",
    "",
  ].join("\n\n");
}

/** One line a figure, fractions with all their digits. */
export function comparisonCsv({ rows, byClass }: Comparison): (string | number)[][] {
  const cells = ({ n, mean, deviation }: Spread) => [n, mean, deviation ?? ""];
  const means = rows.flatMap(({ name, network, from, figures }) =>
    [...figures].map(([split, figure]) => [name, network ?? "", from, split, "mean", ...cells(figure)]),
  );
  const classes = byClass.flatMap(({ split, classes, methods }) =>
    methods
      .filter(({ from }) => from === MEASURED)
      .flatMap(({ name, from, iou }) =>
        iou.flatMap((figure, k) => (figure ? [[name, "", from, split, classes[k]!.name, ...cells(figure)]] : [])),
      ),
  );
  return [["name", "network", "figures", "split", "class", "n", "mean", "deviation"], ...means, ...classes];
}

/** IoU by class on the last list, bars of what was measured. */
export function comparisonChart({ byClass }: Comparison): string {
  const { split, classes, methods } = byClass.at(-1)!;
  const shown = methods.filter(({ from }) => from === MEASURED);
  return barChart({
    title: `IoU by class on ${split}`,
    groups: classes.map(({ id, name }, k) => ({
      name,
      chip: classColour(id),
      values: shown.map(({ iou }) => iou[k]?.mean ?? null),
    })),
    series: shown.map(({ name }, i) => ({ name, style: SERIES_STYLES[i % SERIES_STYLES.length]! })),
    max: 1,
    width: 640,
    format: percent,
    formatTick: percentTick,
  });
}
