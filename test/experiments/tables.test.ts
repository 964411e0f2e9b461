/** Figures over seeds and the tables made of them. */
import { describe, expect, it } from "vitest";
import { rowsChart } from "../../src/experiments/outcome.ts";
import { changesTable, figuresTable, resultsCsv, resultsJson, resultsMarkdown } from "../../src/experiments/render.ts";
import { columnsOf } from "../../src/experiments/results.ts";
import { spread, spreadText } from "../../src/experiments/statistics.ts";
import { encodeCsv, parseCsv } from "../../src/formats/csv.ts";
import { standaloneSvg } from "../../src/report/standalone.ts";
import { expectWellFormed } from "../report/markup.ts";
import { evaluation, resultsFrom } from "./fixture.ts";

const COLUMNS = [
  { method: "csrm", split: "train", title: "CSRM, train" },
  { method: "csrm", split: "val", title: "CSRM, val" },
];

/** Two rows; the second lacks seed 2 on val. */
const RESULTS = resultsFrom(COLUMNS, {
  s: [
    [0.5, 0.54, 0.52],
    [0.4, 0.4, 0.46],
  ],
  m: [
    [0.55, 0.57, 0.56],
    [0.42, 0.4, undefined],
  ],
});

describe("a spread", () => {
  it("is the mean with the sample deviation, without one for a single value", () => {
    expect(spread([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ n: 8, mean: 5, deviation: Math.sqrt(32 / 7) });
    expect(spread([0.25])).toEqual({ n: 1, mean: 0.25, deviation: null });
    expect(spread([])).toBeNull();
  });

  it.each([
    [{ mean: 0.4712, deviation: 0.0034 }, false, "47.1 ± 0.3"],
    [{ mean: 0.4712, deviation: null }, false, "47.1"],
    [{ mean: 0.014, deviation: 0 }, true, "+1.4 ± 0.0"],
    [{ mean: -0.016, deviation: null }, true, "-1.6"],
    [{ mean: -0.0004, deviation: null }, true, "+0.0"],
  ])("%o reads %s as %s", (value, signed, text) => {
    expect(spreadText(value, signed)).toBe(text);
  });
});

describe("the table of an experiment", () => {
  it("shows mean ± deviation over seeds, and how many where some are missing", () => {
    expect(figuresTable(RESULTS)).toEqual({
      header: ["", "CSRM, train", "CSRM, val"],
      rows: [
        ["S", "52.0 ± 2.0", "42.0 ± 3.5"],
        ["M", "56.0 ± 1.0", "41.0 ± 1.4 (n = 2)"],
      ],
    });
  });

  it("holds rows against each other seed by seed, by the seeds that both have", () => {
    // train: +5, +3, +4 points; val: +2, 0 of seeds 0 and 1 alone, although the mean over all seeds fell.
    expect(changesTable(RESULTS)!.rows).toEqual([["M", "S", "+4.0 ± 1.0 (+7.7 %)", "+1.0 ± 1.4 (+2.5 %)"]]);
  });

  it("has no changes where no row is held against another", () => {
    expect(changesTable({ ...RESULTS, rows: RESULTS.rows.slice(0, 1) })).toBeNull();
  });

  it("is Markdown that says what was measured", () => {
    expect(resultsMarkdown("Ablation", ["Recipe x."], RESULTS)).toBe(`# Ablation

Mean IoU in percent, background included; mean ± sample standard deviation over 3 seeds (0, 1, 2). Recipe x.

|  | CSRM, train | CSRM, val |
|---|---:|---:|
| S | 52.0 ± 2.0 | 42.0 ± 3.5 |
| M | 56.0 ± 1.0 | 41.0 ± 1.4 (n = 2) |

Change seed by seed, in points (and in percent of what it is held against):

|  | against | CSRM, train | CSRM, val |
|---|---|---:|---:|
| M | S | +4.0 ± 1.0 (+7.7 %) | +1.0 ± 1.4 (+2.5 %) |

![figure](figure.png)

`);
  });

  it("is a CSV with every seed's fraction, and JSON with the same", () => {
    const [head, ...lines] = parseCsv(encodeCsv(resultsCsv(RESULTS)), "t.csv").map(({ cells }) => cells);
    expect(head!.slice(0, 7)).toEqual(["row", "label", "method", "split", "n", "mean", "deviation"]);
    expect(head!.slice(-3)).toEqual(["seed 0", "seed 1", "seed 2"]);
    expect(lines).toHaveLength(4);
    expect(lines[0]!.slice(7)).toEqual(["", "", "", "", "", "0.5", "0.54", "0.52"]);
    expect(lines[3]!.slice(0, 5)).toEqual(["m", "M", "csrm", "val", "2"]);
    expect(lines[3]!.slice(-3)).toEqual(["0.42", "0.4", ""]);
    const last = resultsJson(RESULTS).rows[1]!.figures[1]!;
    expect(last).toMatchObject({ n: 2, values: { 0: 0.42, 1: 0.4 }, change: { to: "s", points: { n: 2 } } });
    expect(last.change!.points.mean).toBeCloseTo(0.01, 12);
  });

  it("is a figure with a dot a row, a whisker where seeds differ, and nothing outside of the file", () => {
    const svg = standaloneSvg(rowsChart("Ablation", RESULTS));
    expectWellFormed(svg.trim().replace(/<style>[^<]*<\/style>/, ""));
    expect(svg.match(/class="dot/g)).toHaveLength(4);
    expect(svg.match(/class="line whisker/g)).toHaveLength(4);
    expect(svg).not.toMatch(/var\(|url\(|href/);
  });
});

describe("columns", () => {
  it("are methods by lists, training images first, without what is not named", () => {
    const all = ["val", "train"].flatMap((split) =>
      ["csrm_cam", "csrm"].map((method) => evaluation([90, 50, 50], { split, method, label: method })),
    );
    const titles = columnsOf([...all, evaluation([90, 50, 50])]).map(({ title }) => title);
    expect(titles).toEqual(["csrm_cam, train", "csrm_cam, val", "csrm, train", "csrm, val"]);
  });
});
