/** Grouped horizontal bars, one group a row: they stay readable on a narrow screen however many classes there are. */
import { element, escapeXml, label, legendRows, linearScale, niceTicks, textWidth } from "./svg.ts";

export interface BarGroup {
  name: string;
  /** A small square before the name, as a CSS colour. */
  chip?: string;
  /** One value a series, in the order of `series`; null where there is none. */
  values: readonly (number | null)[];
}

export interface BarChartOptions {
  title: string;
  groups: readonly BarGroup[];
  /** Names and style classes of the bars within a group. */
  series: readonly { name: string; style: string }[];
  /** Right end of the axis; default: the largest value, rounded up. */
  max?: number;
  width?: number;
  format?: (value: number) => string;
  formatTick?: (value: number) => string;
}

const BAR = 8;
const GAP = 9;
const LEGEND_ROW = 18;

/** Draws the chart; values below 0 are drawn as 0. */
export function barChart(options: BarChartOptions): string {
  const { title, groups, series, width = 420, format = String, formatTick = format } = options;
  const largest = Math.max(0, ...groups.flatMap((group) => group.values.map((value) => value ?? 0)));
  const ticks = niceTicks(0, options.max ?? (largest || 1), 5);
  const left = 26 + Math.max(30, ...groups.map((group) => textWidth(group.name)));
  const places =
    series.length > 1
      ? legendRows(
          series.map(({ name }) => name),
          width,
          17,
        )
      : [];
  const groupHeight = Math.max(15, series.length * BAR) + GAP;
  const top = 4 + (places.length > 0 ? (places.at(-1)!.row + 1) * LEGEND_ROW + 4 : 0);
  const bottom = top + groups.length * groupHeight;
  const sx = linearScale([0, ticks.at(-1)!], [left, width - 40]);
  const bar = (group: BarGroup, s: number, y: number) => {
    const value = group.values[s];
    if (value === null || value === undefined) return "";
    const length = Math.max(0, sx(value) - left);
    const tip = element("title", {}, escapeXml(`${group.name}, ${series[s]!.name}: ${format(value)}`));
    const size = { x: left, y: y + 0.5, width: length, height: BAR - 1.5, rx: 2 };
    // Only the last bar, the method's final state, is written out: more figures would cover each other.
    const figure = { class: "value", x: left + length + 5, y: y + BAR - 0.5 };
    return (
      element("rect", { class: `bar ${series[s]!.style}`, ...size }, tip) +
      (s === series.length - 1 ? label(format(value), figure) : "")
    );
  };
  return element("svg", { class: "chart", viewBox: `0 0 ${width} ${bottom + 20}`, role: "img", "aria-label": title }, [
    ...places.flatMap(({ name, x, row }, s) => [
      element("rect", { class: `bar ${series[s]!.style}`, x, y: 4 + row * LEGEND_ROW, width: 12, height: 9, rx: 2 }),
      label(name, { class: "legend", x: x + 17, y: 13 + row * LEGEND_ROW }),
    ]),
    ...ticks.flatMap((tick) => [
      element("line", { class: "grid", x1: sx(tick), x2: sx(tick), y1: top, y2: bottom }),
      label(formatTick(tick), { class: "tick", x: sx(tick), y: bottom + 15, "text-anchor": "middle" }),
    ]),
    ...groups.map((group, i) => {
      const middle = top + (i + 0.5) * groupHeight;
      const first = middle - (series.length * BAR) / 2;
      const chip = { class: "chip", x: 2, y: middle - 6, width: 12, height: 12, rx: 3, fill: group.chip };
      return element("g", {}, [
        group.chip ? element("rect", chip) : "",
        label(group.name, { class: "name", x: 20, y: middle + 4 }),
        ...series.map((_, s) => bar(group, s, first + s * BAR)),
      ]);
    }),
    element("line", { class: "axis", x1: left, x2: left, y1: top, y2: bottom }),
  ]);
}
