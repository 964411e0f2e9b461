/** A line chart with axes, grid, ticks, marks and a legend, as one SVG element without any outside reference. */
import { element, escapeXml, label, legendRows, linearScale, niceTicks, short, textWidth, tickText } from "./svg.ts";

export interface Line {
  name: string;
  x: readonly number[];
  y: readonly number[];
  /** Style class that carries the colour, e.g. "s1". */
  style: string;
  /** Drawn thin and pale, as the background of a smoothed line; not in the legend. */
  faint?: boolean;
  /** A point to mark with a dot and a tooltip. */
  mark?: { x: number; y: number; text: string };
  /** Half the length of a whisker at each point, e.g. the deviation over seeds; null: none. Given, every point has a dot. */
  whiskers?: readonly (number | null)[];
}

export interface LineChartOptions {
  title: string;
  xLabel: string;
  lines: readonly Line[];
  width?: number;
  height?: number;
  /** The y values the axis must show; lines are cut off outside. Default: all values. */
  yRange?: readonly [number, number];
  /** The x values that the axis shows, default: from the smallest to the largest; and where it has ticks, default: round numbers. */
  xRange?: readonly [number, number];
  xTicks?: readonly number[];
  formatX?: (value: number) => string;
  formatY?: (value: number) => string;
  legend?: boolean;
}

const DEFAULTS = {
  width: 340,
  height: 200,
  formatX: tickText,
  formatY: tickText,
  legend: false,
} satisfies Partial<LineChartOptions>;
const LEGEND_ROW = 17;

/** Draws the chart; the page's style sheet gives it fonts and colours. Two charts on a page may have the same title. */
export function lineChart(options: LineChartOptions): string {
  const { title, xLabel, lines, width, height, formatX, formatY, legend } = { ...DEFAULTS, ...options };
  const xs = options.xRange ?? extent(lines.flatMap((line) => extent(line.x)));
  const [yLow, yHigh] = options.yRange ?? extent(lines.flatMap((line) => extent(endsOf(line))));
  const yTicks = niceTicks(yLow, yHigh, 5);
  const yTexts = yTicks.map(formatY);
  const named = legend ? lines.filter(({ faint }) => !faint) : [];
  const places = legendRows(
    named.map(({ name }) => name),
    width,
    19,
  );
  const legendHeight = places.length > 0 ? (places.at(-1)!.row + 1) * LEGEND_ROW : 0;
  const left = 8 + Math.max(...yTexts.map(textWidth));
  const area = { left, right: width - 12, top: 12 + legendHeight, bottom: height - 34 };
  const sx = linearScale(xs, [area.left, area.right]);
  const sy = linearScale([yTicks[0]!, yTicks.at(-1)!], [area.bottom, area.top]);
  const inside = (tick: number) => tick >= xs[0] && tick <= xs[1];
  const xTicks = (options.xTicks ?? niceTicks(xs[0], xs[1], 5)).filter(inside);
  return element("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, [
    ...yTicks.flatMap((tick, i) => [
      element("line", { class: "grid", x1: area.left, x2: area.right, y1: sy(tick), y2: sy(tick) }),
      label(yTexts[i]!, { class: "tick", x: area.left - 6, y: sy(tick) + 4, "text-anchor": "end" }),
    ]),
    ...xTicks.map((tick) =>
      label(formatX(tick), { class: "tick", x: sx(tick), y: area.bottom + 15, "text-anchor": "middle" }),
    ),
    element("line", { class: "axis", x1: area.left, x2: area.right, y1: area.bottom, y2: area.bottom }),
    label(xLabel, { class: "axis-label", x: (area.left + area.right) / 2, y: height - 4, "text-anchor": "middle" }),
    // A nested picture cuts off what leaves the plot, without ids that could clash on the page.
    element(
      "svg",
      {
        x: area.left,
        y: area.top - 4,
        width: area.right - area.left + 4,
        height: area.bottom - area.top + 8,
        viewBox: `${short(area.left)} ${short(area.top - 4)} ${short(area.right - area.left + 4)} ${short(area.bottom - area.top + 8)}`,
      },
      lines.map((line) => drawLine(line, sx, sy)),
    ),
    ...legendOf(named, places),
  ]);
}

function drawLine(line: Line, sx: (x: number) => number, sy: (y: number) => number): string {
  const points = line.x.map((x, i) => `${short(sx(x))},${short(sy(line.y[i]!))}`);
  const path = element("polyline", {
    class: `line ${line.style}${line.faint ? " faint" : ""}`,
    points: points.join(" "),
  });
  const dots = line.whiskers ? whiskersOf(line, line.whiskers, { sx, sy }) : "";
  if (!line.mark) return path + dots;
  const { x, y, text } = line.mark;
  const tip = element("title", {}, escapeXml(text));
  return path + dots + element("circle", { class: `dot ${line.style}`, cx: sx(x), cy: sy(y), r: 4 }, tip);
}

interface Scales {
  sx: (x: number) => number;
  sy: (y: number) => number;
}

function whiskersOf({ x, y, style }: Line, halves: readonly (number | null)[], { sx, sy }: Scales): string {
  return x
    .map((at, i) => {
      const half = halves[i] ?? 0;
      const ends = { x1: sx(at), x2: sx(at), y1: sy(y[i]! - half), y2: sy(y[i]! + half) };
      const whisker = half > 0 ? element("line", { class: `line whisker ${style}`, ...ends }) : "";
      return whisker + element("circle", { class: `dot ${style}`, cx: sx(at), cy: sy(y[i]!), r: 3.5 });
    })
    .join("");
}

/** Every y that a line and its whiskers reach. */
function endsOf({ y, whiskers }: Line): readonly number[] {
  return whiskers ? y.flatMap((value, i) => [value - (whiskers[i] ?? 0), value + (whiskers[i] ?? 0)]) : y;
}

function legendOf(lines: readonly Line[], places: ReturnType<typeof legendRows>): string[] {
  return places.flatMap(({ name, x, row }, i) => {
    const y = 10 + row * LEGEND_ROW;
    const mark = { class: `line ${lines[i]!.style}`, x1: x, x2: x + 14, y1: y, y2: y };
    return [element("line", mark), label(name, { class: "legend", x: x + 19, y: y + 4 })];
  });
}

/** Smallest and largest finite number; [0, 1] where there is none. */
function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high && value < Number.POSITIVE_INFINITY) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}
