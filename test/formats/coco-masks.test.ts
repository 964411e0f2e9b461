/** Polygons and runs against the masks that pycocotools makes of them (test/golden/make-coco-masks.py). */
import { describe, expect, it } from "vitest";
import { runsOfPolygon } from "../../src/formats/coco-polygon.ts";
import { areaOfRuns, paintRuns, type Runs, runsOfCounts, unionOfRuns } from "../../src/formats/coco-runs.ts";
import { readGolden } from "../helpers/golden.ts";

interface Case {
  name: string;
  height: number;
  width: number;
  segmentation: number[][] | { counts: number[] | string; size: [number, number] };
  runs: number[];
  area: number;
  compressed: string;
}

const cases = readGolden<Case[]>("coco-masks");
const byName = (name: string) => cases.find((each) => each.name === name)!;

/** Run lengths, first of zeros, as the golden file has them. */
function countsOf(runs: Runs, pixels: number): number[] {
  const edges = [0, ...runs, ...(runs.at(-1) === pixels ? [] : [pixels])];
  return edges.slice(1).map((edge, i) => edge - edges[i]!);
}

function runsOf({ segmentation, ...size }: Case): Runs {
  if (!Array.isArray(segmentation)) return runsOfCounts(segmentation.counts, size, "x");
  return unionOfRuns(segmentation.map((polygon) => runsOfPolygon(polygon, size, "x")));
}

describe("masks as pycocotools makes them", () => {
  it("are compared in more than 40 cases", () => expect(cases.length).toBeGreaterThan(40));

  it.each(cases)("$name", (each) => {
    const runs = runsOf(each);
    expect(countsOf(runs, each.height * each.width)).toEqual(each.runs);
    expect(areaOfRuns(runs)).toBe(each.area);
    expect(runsOfCounts(each.compressed, each, "x")).toEqual(runs);
  });
});

describe("runs", () => {
  it("are painted down the columns", () => {
    const labels = new Uint8Array(12).fill(9);
    paintRuns(labels, runsOfCounts([2, 3, 7], { height: 3, width: 4 }, "x"), { height: 3, width: 4, label: 5 });
    expect([...labels]).toEqual([9, 5, 9, 9, 9, 5, 9, 9, 5, 9, 9, 9]);
  });

  it.each([
    [[5, 5], "expected runs that fill 4 × 3 pixels for x, got 10"],
    [[13], "got 13"],
    [[5, -1, 8], "expected run lengths of at least 0 for x, got -1"],
    [[5, 0.5, 6.5], "got 0.5"],
    ["\u007f", "cannot read x as a run-length encoded mask"],
    ["o", "its text is cut off"],
    ["oooooooooooo0", "a count is too large"],
    ["O", "run 1 has the length -1"],
  ])("refuse the counts %j", (counts, message) => {
    expect(() => runsOfCounts(counts, { height: 3, width: 4 }, "x")).toThrow(message);
  });
});

describe("polygons", () => {
  it("of fewer than three points enclose nothing", () => {
    for (const points of [[], [3, 3], [1, 1, 8, 8]]) {
      expect(runsOfPolygon(points, { height: 10, width: 10 }, "x")).toEqual([]);
    }
  });

  it("that share an edge share no pixel and leave none out", () => {
    const { segmentation, ...size } = byName("two that touch");
    const areas = (segmentation as number[][]).map((polygon) => areaOfRuns(runsOfPolygon(polygon, size, "x")));
    expect(areas).toEqual([50, 50]);
  });

  it.each([
    [[1, 2, 3], 'expected x and y of every point for x, got "3 coordinates"'],
    [[1, 2, 3, 1e9], "expected coordinates of at most ±131072 for x, got 1000000000"],
    [[1, 2, 3, Number.NaN], "expected coordinates of at most ±131072"],
    [[1, "2"] as unknown as number[], 'got "2"'],
  ])("refuse the points %j", (points, message) => {
    expect(() => runsOfPolygon(points, { height: 10, width: 10 }, "x")).toThrow(message);
  });
});
