import { describe, expect, it } from "vitest";
import { barChart } from "../../src/report/bar-chart.ts";
import { movingAverage, thin } from "../../src/report/curves.ts";
import { lineChart } from "../../src/report/line-chart.ts";
import { escapeXml, legendRows, linearScale, niceTicks, tickText } from "../../src/report/svg.ts";
import { expectWellFormed } from "./markup.ts";

describe("ticks and scales", () => {
  it("are round numbers that cover the range", () => {
    expect(niceTicks(0, 1, 5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(niceTicks(0.12, 0.87, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(niceTicks(0, 1495, 5)).toEqual([0, 500, 1000, 1500]);
    expect(niceTicks(-3e-5, 4e-5, 4)).toEqual([-5e-5, -2.5e-5, 0, 2.5e-5, 5e-5]);
  });

  it("exist for a range of a single value", () => {
    const ticks = niceTicks(812, 812, 5);
    expect(ticks[0]).toBeLessThan(812);
    expect(ticks.at(-1)).toBeGreaterThan(812);
    expect(linearScale([3, 3], [0, 10])(3)).toBe(5);
  });

  it("are written short", () => {
    expect([0, 0.25, 950, 12000, 2.5e6, 0.00005, -0.00012].map(tickText)).toEqual([
      "0",
      "0.25",
      "950",
      "12k",
      "2.5M",
      "5e-5",
      "-1.2e-4",
    ]);
  });
});

describe("legends", () => {
  it("break into rows where the width ends", () => {
    const places = legendRows(["alpha", "beta", "gamma"], 130, 20);
    expect(places.map(({ row }) => row)).toEqual([0, 0, 1]);
    expect(places[2]!.x).toBe(0);
  });
});

describe("line charts", () => {
  const line = { name: "a < b & c", x: [0, 5, 10], y: [1, 3, 2], style: "s1" };

  it("are well-formed and escape names", () => {
    const chart = lineChart({ title: 'the "title"', xLabel: "step", lines: [line], legend: true });
    expectWellFormed(chart);
    expect(chart).toContain("a &lt; b &amp; c");
    expect(chart).toContain('aria-label="the &quot;title&quot;"');
  });

  it("put points where the axes say", () => {
    const chart = lineChart({ title: "t", xLabel: "x", lines: [line] });
    const points = /points="([^"]*)"/
      .exec(chart)![1]!
      .split(" ")
      .map((pair) => pair.split(",").map(Number));
    const [first, middle, last] = points as [number[], number[], number[]];
    expect(middle[0]).toBeCloseTo((first[0]! + last[0]!) / 2, 1);
    // Higher values lie higher up; 2 lies midway between 1 and 3.
    expect(last[1]).toBeCloseTo((first[1]! + middle[1]!) / 2, 1);
    expect(middle[1]).toBeLessThan(first[1]!);
  });

  it("mark a point with a tooltip and leave faint lines out of the legend", () => {
    const mark = { x: 5, y: 3, text: "best 3" };
    const faint = { ...line, name: "raw", faint: true };
    const chart = lineChart({ title: "t", xLabel: "x", lines: [faint, { ...line, mark }], legend: true });
    expect(chart).toContain("<title>best 3</title>");
    expect(chart).not.toContain("raw");
  });

  it("can be drawn without any point or with one", () => {
    expectWellFormed(lineChart({ title: "t", xLabel: "x", lines: [] }));
    const one = lineChart({ title: "t", xLabel: "x", lines: [{ ...line, x: [4], y: [2] }] });
    expect(one).not.toContain("NaN");
  });
});

describe("bar charts", () => {
  const series = [
    { name: "start", style: "s0" },
    { name: "CSRM", style: "s1" },
  ];

  it("draw bars as long as their values and leave absent ones out", () => {
    const groups = [
      { name: "cat", chip: "#400000", values: [0.25, 0.5] },
      { name: "dog", values: [null, 1] },
    ];
    const chart = barChart({ title: "IoU", groups, series, max: 1, format: (value) => value.toFixed(2) });
    expectWellFormed(chart);
    const widths = [...chart.matchAll(/class="bar s\d" x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="6.5"/g)].map(
      (m) => Number(m[1]),
    );
    expect(widths).toHaveLength(3);
    expect(widths[1]! / widths[0]!).toBeCloseTo(2, 1);
    expect(widths[2]! / widths[0]!).toBeCloseTo(4, 1);
    expect(chart).toContain("<title>cat, start: 0.25</title>");
  });

  it("can be drawn with nothing in them", () => {
    expect(barChart({ title: "t", groups: [], series })).not.toContain("NaN");
    expect(barChart({ title: "t", groups: [{ name: "a", values: [0, 0] }], series })).not.toContain("NaN");
  });
});

describe("smoothing and thinning", () => {
  it("starts at the first value and stays at a constant", () => {
    expect(movingAverage([4, 4, 4], 10)).toEqual([4, 4, 4]);
    const [first, second] = movingAverage([0, 1, 0], 2);
    expect(first).toBe(0);
    expect(second).toBeCloseTo(1 / 1.5, 12);
  });

  it("keeps ends and peaks of long lines", () => {
    const y = Array.from({ length: 5000 }, (_, i) => (i === 3210 ? 99 : i === 1234 ? -99 : Math.sin(i / 50)));
    const line = thin([...y.keys()], y);
    expect(line.x.length).toBeLessThanOrEqual(240);
    expect(line.x[0]).toBe(0);
    expect(line.x.at(-1)).toBe(4999);
    expect(line.y).toContain(99);
    expect(line.y).toContain(-99);
    expect(line.x).toEqual([...line.x].sort((a, b) => a - b));
  });
});

describe("escaping", () => {
  it("covers all five characters", () => {
    expect(escapeXml(`<a href="x">'&'</a>`)).toBe("&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  });
});
