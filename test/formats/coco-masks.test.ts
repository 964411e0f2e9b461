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

  // Slopes of 1, 2 and ½, so that rounding is the same wherever the picture lies.
  it.each([
    ["around the picture", [-60, 10, 10, -60, 80, 10, 10, 80]],
    ["through it from above and below", [-40, -90, 50, 90, 60, 100, -30, -80]],
    ["through it from side to side", [-90, -36, 102, 60, 102, 66, -90, -30]],
    ["with corners inside and outside", [5, 5, 95, -85, 95, 65, 15, 25]],
    ["beside it", [-50, 3, -10, 3, -10, 9]],
  ])("that reach out of the picture are cut by its edges: %s", (_, points) => {
    const size = { height: 12, width: 20 };
    const around = 120;
    const large = { height: size.height + 2 * around, width: size.width + 2 * around };
    const whole = new Uint8Array(large.height * large.width);
    const shifted = points.map((value) => value + around);
    paintRuns(whole, runsOfPolygon(shifted, large, "x"), { ...large, label: 1 });
    const part = new Uint8Array(size.height * size.width);
    paintRuns(part, runsOfPolygon(points, size, "x"), { ...size, label: 1 });
    const cut = part.map((_, i) => {
      const [x, y] = [i % size.width, Math.floor(i / size.width)];
      return whole[(y + around) * large.width + x + around]!;
    });
    expect(part).toEqual(cut);
  });

  it("far out of the picture take no longer than their way through it", () => {
    // 2,000 edges that are walked point by point take 1.3 million steps each.
    const points = Array.from({ length: 4000 }, (_, i) => (i % 2 === 0 ? 3 : i % 4 === 1 ? -131072 : 131072));
    expect(runsOfPolygon(points, { height: 6, width: 6 }, "x")).toEqual([]);
    const side = points.map((value, i) => (i % 2 === 0 ? points[i + 1]! : value > 0 ? 9 : -4));
    expect(areaOfRuns(runsOfPolygon(side, { height: 6, width: 6 }, "x"))).toBe(0);
  }, 20_000);

  it.each([
    [[1, 2, 3], 'expected x and y of every point for x, got "3 coordinates"'],
    [[1, 2, 3, 1e9], "expected coordinates of at most ±131072 for x, got 1000000000"],
    [[1, 2, 3, Number.NaN], "expected coordinates of at most ±131072"],
    [[1, "2"] as unknown as number[], 'got "2"'],
  ])("refuse the points %j", (points, message) => {
    expect(() => runsOfPolygon(points, { height: 10, width: 10 }, "x")).toThrow(message);
  });
});
