/** The steps of the automatic mask generation against the public code. */
import { describe, expect, it } from "vitest";
import { areaOfRuns, type Runs, runsOfCounts } from "../../../src/formats/coco-runs.ts";
import { rleFromString } from "../../../src/formats/rle.ts";
import { fittedSize } from "../../../src/models/sam/input.ts";
import { type Box, cropsOf, isCut, pointGrid } from "../../../src/refine/sam/crops.ts";
import { canvasOf, drawnRuns, stabilityScores } from "../../../src/refine/sam/draw-masks.ts";
import { boxOfRuns, bytesOfRuns, packRuns } from "../../../src/refine/sam/mask-runs.ts";
import { suppress } from "../../../src/refine/sam/nms.ts";
import { dropIslands, fillHoles } from "../../../src/refine/sam/small-regions.ts";
import { scope, tensor } from "../../../src/torch/index.ts";
import { type Golden, readGolden } from "../../helpers/golden.ts";

interface Utilities {
  stability: { logits: Golden; scores: Golden };
  boxes: Golden;
  rle_column_major: { size: [number, number]; counts: number[] }[];
  areas: number[];
  nms: { boxes: Golden; scores: number[]; keep: Record<string, number[]> };
  near_crop_edge: { boxes: Golden; crop_box: Box; orig_box: Box; result: Golden }[];
  point_grid: { 4: Golden; "32_first_40": [number, number][] };
  preprocess_shape: { hw: [number, number]; resized: [number, number] }[];
  crop_boxes: { hw: [number, number]; layers: number; boxes: Box[]; layer: number[] }[];
  small_regions: {
    mask: Golden;
    holes_removed_area8: Golden;
    islands_removed_area9: Golden;
    changed_holes: boolean;
    changed_islands: boolean;
  };
}

/** The file has it rounded to nine digits, from which another pixel would follow. */
const OVERLAP = 512 / 1500;

const golden = readGolden<{ amg_utilities: Utilities }>("10-sam-tiny-amg").amg_utilities;

function boxesOf({ data }: Golden): Box[] {
  return Array.from({ length: data!.length / 4 }, (_, i) => data!.slice(i * 4, i * 4 + 4) as unknown as Box);
}

/** Runs of a mask of 0 and 1, row by row. */
function runsOf({ shape, data }: Golden): Runs {
  const [height, width] = shape as [number, number];
  const runs: number[] = [];
  for (let at = 0; at < height * width; at++) {
    if (data![(at % height) * width + Math.floor(at / height)] === 0) continue;
    if (runs.at(-1) === at) runs[runs.length - 1] = at + 1;
    else runs.push(at, at + 1);
  }
  return runs;
}

describe("masks drawn at the photograph's size", () => {
  const [count, height, width] = golden.stability.logits.shape as [number, number, number];
  // Square logits of the photograph's own size, so that drawing them changes nothing; what is beyond the mask is outside.
  const side = Math.max(height, width);
  const logits = () => {
    const square = new Float32Array(count * side * side).fill(-100);
    for (const [i, value] of golden.stability.logits.data!.entries()) {
      const [n, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      square[n * side * side + y * side + x] = value;
    }
    return tensor([...square]).reshape([count, side, side]);
  };
  const canvas = () => canvasOf({ width, height, fitted: [height, width], side }, side);

  it("have the public code's stability, runs, areas and boxes", () => {
    scope(() => {
      const scores = stabilityScores(logits(), canvas(), 1);
      const numbers = golden.stability.scores.data!.map(Number); // "nan" for a mask of nothing
      for (const [i, score] of scores.entries()) {
        if (Number.isNaN(numbers[i])) expect(score).toBeNaN();
        else expect(score).toBeCloseTo(numbers[i]!, 6);
      }
      const runs = drawnRuns(logits(), canvas());
      expect(runs.map(areaOfRuns)).toEqual(golden.areas);
      expect(runs.map((each) => boxOfRuns(each, height))).toEqual(boxesOf(golden.boxes));
      for (const [i, { counts }] of golden.rle_column_major.entries()) {
        const size = { width, height };
        expect(rleFromString(packRuns(runs[i]!, size), "a mask")).toEqual(counts);
        expect(runs[i]).toEqual(runsOfCounts(counts, size, "a mask"));
      }
    });
  });
});

describe("suppression", () => {
  it.each(Object.entries(golden.nms.keep))("keeps the public code's boxes in its order at %s", (threshold, kept) => {
    expect(suppress(boxesOf(golden.nms.boxes), golden.nms.scores, Number(threshold))).toEqual(kept);
  });

  it("keeps the earlier of two equal boxes with equal scores, and every empty box", () => {
    const boxes: Box[] = [
      [0, 0, 9, 9],
      [0, 0, 9, 9],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    expect(suppress(boxes, [0.5, 0.5, 0.4, 0.4], 0.7)).toEqual([0, 2, 3]);
  });
});

describe("crops and points", () => {
  it.each(golden.crop_boxes)("has the public code's crops of $hw in $layers layers", (each) => {
    const [height, width] = each.hw;
    const crops = cropsOf({ height, width }, { layers: each.layers, overlap: OVERLAP });
    expect(crops.map(({ box }) => box)).toEqual(each.boxes);
    expect(crops.map(({ layer }) => layer)).toEqual(each.layer);
  });

  it("has no empty crop of a photograph that is one pixel high", () => {
    const crops = cropsOf({ height: 1, width: 40 }, { layers: 3, overlap: 0.34 });
    for (const { box } of crops) expect([box[2] - box[0] > 0, box[3] - box[1] > 0]).toEqual([true, true]);
  });

  it("has the public code's grid of points", () => {
    expect(pointGrid(4).flat()).toEqual(golden.point_grid[4].data);
    expect(pointGrid(32).slice(0, 40)).toEqual(golden.point_grid["32_first_40"]);
  });

  it.each(golden.near_crop_edge)(
    "tells which boxes the crop $crop_box has cut",
    ({ boxes, crop_box, orig_box, result }) => {
      const cut = boxesOf(boxes).map((box) => (isCut(box, crop_box, orig_box) ? 1 : 0));
      expect(cut).toEqual(result.data);
    },
  );

  it.each(golden.preprocess_shape)("fits $hw into the input as $resized", ({ hw: [height, width], resized }) => {
    expect(fittedSize({ height, width }, 1024)).toEqual(resized);
  });

  it("leaves a pixel of a photograph that is 12,000 times as wide as high", () => {
    expect(fittedSize({ height: 1, width: 12_000 }, 1024)).toEqual([1, 1024]);
  });
});

describe("small regions", () => {
  const { mask, holes_removed_area8, islands_removed_area9 } = golden.small_regions;
  const [height, width] = mask.shape as [number, number];
  const size = { height, width };

  it("fills the holes and drops the islands that the public code does", () => {
    const filled = fillHoles(runsOf(mask), size, 8);
    expect([...bytesOfRuns(filled.runs, size, 1)]).toEqual(holes_removed_area8.data);
    expect(filled.changed).toBe(golden.small_regions.changed_holes);
    const dropped = dropIslands(filled.runs, size, 9);
    expect([...bytesOfRuns(dropped.runs, size, 1)]).toEqual(islands_removed_area9.data);
    expect(dropped.changed).toBe(golden.small_regions.changed_islands);
  });

  it("changes nothing where nothing is small, and keeps the largest of small islands", () => {
    const runs = [0, 3, 8, 10, 40, 41];
    expect(dropIslands(runs, { height: 8, width: 8 }, 2).runs).toEqual([0, 3, 8, 10]);
    expect(dropIslands([0, 3, 40, 41], { height: 8, width: 8 }, 100)).toEqual({ runs: [0, 3], changed: true });
    // Every second pixel of every second column of a large photograph, and two beside each other.
    const size = { height: 1200, width: 1200 };
    const dots = Array.from({ length: 600 * 600 }, (_, i) => 2 * (i % 600) + 2400 * Math.floor(i / 600));
    const many = dots.flatMap((at) => [at, at === 4804 ? at + 2 : at + 1]);
    expect(dropIslands(many, size, 100)).toEqual({ runs: [4804, 4806], changed: true });
    expect(fillHoles(runs, { height: 8, width: 8 }, 5)).toEqual({ runs, changed: false });
  });

  it("takes regions that touch at corners as one", () => {
    expect(dropIslands([0, 1, 9, 10], { height: 8, width: 8 }, 2).changed).toBe(false);
    expect(dropIslands([1, 2, 8, 9], { height: 8, width: 8 }, 2).changed).toBe(false);
  });

  it("agrees with a flood fill on random masks", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [h, w] = [7 + (seed % 5), 9];
      let state = seed * 7919;
      const data = Array.from({ length: h * w }, () => {
        state = (state * 1103515245 + 12345) % 2147483648;
        return state / 2147483648 < 0.45 ? 1 : 0;
      });
      const { runs } = dropIslands(runsOf({ shape: [h, w], data }), { height: h, width: w }, 4);
      expect([...bytesOfRuns(runs, { height: h, width: w }, 1)], `seed ${seed}`).toEqual(
        flooded(data, { h, w, least: 4 }),
      );
    }
  });
});

/** Islands of fewer than `least` pixels removed by flooding each; all masks here have a larger one. */
function flooded(data: readonly number[], { h, w, least }: { h: number; w: number; least: number }): number[] {
  const result = [...data];
  const seen = new Set<number>();
  for (const start of data.keys()) {
    if (data[start] === 0 || seen.has(start)) continue;
    const island = [start];
    seen.add(start);
    for (const at of island) {
      for (const [dy, dx] of [-1, 0, 1].flatMap((a) => [-1, 0, 1].map((b) => [a, b] as const))) {
        const [y, x] = [Math.floor(at / w) + dy, (at % w) + dx];
        const next = y * w + x;
        if (y < 0 || y >= h || x < 0 || x >= w || data[next] === 0 || seen.has(next)) continue;
        seen.add(next);
        island.push(next);
      }
    }
    if (island.length < least) for (const at of island) result[at] = 0;
  }
  return result;
}
