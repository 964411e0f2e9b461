/** Figure 2 of the paper: mean IoU over the threshold, methods side by side, from the sweeps of their evaluations. */
import { expected } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { percent, type Table, thresholdText, titleOf } from "../evaluation/table.ts";
import { type Line, lineChart } from "../report/line-chart.ts";
import { compareSplits, splitOf } from "../report/run-data.ts";
import { percentTick, SERIES_STYLES } from "./outcome.ts";
import { type Spread, spread, spreadText } from "./statistics.ts";
import { measuredBy, type Subject } from "./subjects.ts";

/** A curve: one method of one subject on one list. */
export interface Curve {
  name: string;
  points: { threshold: number; miou: Spread }[];
}

export interface Thresholds {
  split: string;
  curves: Curve[];
}

/**
 * @param split the list; default: the first that has sweeps, lists of training images before others
 * @throws CsrmError when no evaluation of the list has a sweep, naming the lists that have one, and for a subject without any
 */
export function thresholdCurves(subjects: readonly Subject[], split?: string): Thresholds {
  const swept = subjects.map(({ label, sources }) => ({
    label,
    sources: sources.map((source) => ({ ...source, evaluations: source.evaluations.filter(({ sweep }) => sweep) })),
  }));
  const splits = new Set(
    swept.flatMap(({ sources }) => sources.flatMap(({ evaluations }) => evaluations.map(splitOf))),
  );
  const lists = [...splits].sort(compareSplits);
  const chosen = split ?? lists[0];
  if (chosen === undefined || !splits.has(chosen)) {
    throw expected(
      lists.length > 0 ? `one of the lists ${lists.join(", ")}` : "evaluations of scores, which have a sweep,",
      "--list",
      split,
    );
  }
  const measured = measuredBy(swept, titleOf);
  const curves = measured.flatMap(({ name, evaluations }) => {
    const own = evaluations.filter((each) => splitOf(each) === chosen);
    return own.length > 0 ? [{ name, points: pointsOf(own) }] : [];
  });
  const without = swept.find(({ sources }) =>
    sources.every(({ evaluations }) => evaluations.every((each) => splitOf(each) !== chosen)),
  );
  if (without) throw expected(`evaluations of scores on ${chosen}`, without.label, listsOf(without));
  return { split: chosen, curves };
}

function listsOf({ sources }: Pick<Subject, "sources">): string | undefined {
  const lists = new Set(sources.flatMap(({ evaluations }) => evaluations.map(splitOf)));
  return lists.size > 0 ? `some on ${[...lists].join(", ")}` : undefined;
}

/** At the thresholds that all of them were measured at: a run adds the one that it was given. */
function pointsOf(evaluations: readonly Evaluation[]): Curve["points"] {
  const sweeps = evaluations.map(({ sweep }) => new Map(sweep!.map(({ threshold, miou }) => [threshold, miou])));
  const common = [...sweeps[0]!.keys()].filter((threshold) => sweeps.every((each) => each.has(threshold)));
  return common.map((threshold) => ({ threshold, miou: spread(sweeps.map((each) => each.get(threshold)!))! }));
}

/** One row a threshold, one column a curve; the best of each is marked. */
export function thresholdTable({ curves }: Thresholds): Table {
  const thresholds = [...new Set(curves.flatMap(({ points }) => points.map(({ threshold }) => threshold)))];
  const best = curves.map(({ points }) => points.reduce((a, b) => (b.miou.mean > a.miou.mean ? b : a)).threshold);
  const cell = ({ points }: Curve, threshold: number, top: number) => {
    const point = points.find((each) => each.threshold === threshold);
    return point ? spreadText(point.miou) + (threshold === top ? " *" : "") : "–";
  };
  return {
    header: ["threshold", ...curves.map(({ name }) => name)],
    rows: thresholds
      .sort((a, b) => a - b)
      .map((threshold) => [thresholdText(threshold), ...curves.map((curve, i) => cell(curve, threshold, best[i]!))]),
  };
}

/** One line a point, fractions with all their digits. */
export function thresholdCsv({ split, curves }: Thresholds): (string | number)[][] {
  const lines = curves.flatMap(({ name, points }) =>
    points.map(({ threshold, miou }) => [name, split, threshold, miou.n, miou.mean, miou.deviation ?? ""]),
  );
  return [["curve", "split", "threshold", "n", "mean", "deviation"], ...lines];
}

export function thresholdChart({ split, curves }: Thresholds): string {
  const lines = curves.map(({ name, points }, i): Line => {
    const best = points.reduce((a, b) => (b.miou.mean > a.miou.mean ? b : a));
    const text = `${name}: best ${percent(best.miou.mean)} at ${thresholdText(best.threshold)}`;
    return {
      name,
      x: points.map(({ threshold }) => threshold),
      y: points.map(({ miou }) => miou.mean),
      ...(points.some(({ miou }) => miou.n > 1) ? { whiskers: points.map(({ miou }) => miou.deviation) } : {}),
      mark: { x: best.threshold, y: best.miou.mean, text },
      style: SERIES_STYLES[i % SERIES_STYLES.length]!,
    };
  });
  const thresholds = lines.flatMap(({ x }) => x);
  return lineChart({
    title: `Mean IoU over the threshold on ${split}`,
    xLabel: `threshold; mean IoU in percent on ${split}`,
    lines,
    width: 640,
    height: 400,
    legend: true,
    // Room for the outermost dots.
    xRange: [Math.min(...thresholds) - 0.02, Math.max(...thresholds) + 0.02],
    formatY: percentTick,
  });
}
