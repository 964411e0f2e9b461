import { describe, expect, test } from "vitest";
import { colourGraph, segmentGraph } from "../../../src/refine/masks/felzenszwalb.ts";
import { runLengths } from "../../helpers/crf.ts";
import { readGolden } from "../../helpers/golden.ts";

interface Case {
  size_hw: [number, number];
  options: { scale: number; sigma: number; min_size: number };
  image: number[];
  segments: number[];
}

const { cases } = readGolden<{ cases: Case[] }>("felzenszwalb");

/** Segments numbered in the order of their first pixels. */
function renumbered(segments: ArrayLike<number>): number[] {
  const numbers = new Map<number, number>();
  return Array.from(segments, (segment) => {
    if (!numbers.has(segment)) numbers.set(segment, numbers.size);
    return numbers.get(segment)!;
  });
}

describe("segmentGraph", () => {
  test.each(cases)(
    "gives scikit-image's segments: $options",
    ({ size_hw: [height, width], options, image, segments }) => {
      const graph = colourGraph({ data: Uint8Array.from(image), width, height }, options.sigma);
      const found = segmentGraph(graph, { scale: options.scale, minSize: options.min_size });
      const wanted = renumbered(runLengths(segments));
      expect(new Set(wanted).size).toBeGreaterThan(3);
      expect([...found]).toEqual(wanted);
    },
  );

  test("one scale's segmentation leaves the graph as it was for the next", () => {
    const { size_hw, image } = cases[0]!;
    const graph = colourGraph({ data: Uint8Array.from(image), width: size_hw[1], height: size_hw[0] }, 0.8);
    const first = segmentGraph(graph, { scale: 100, minSize: 20 });
    segmentGraph(graph, { scale: 1000, minSize: 20 });
    expect(segmentGraph(graph, { scale: 100, minSize: 20 })).toEqual(first);
  });

  test.each([
    [1, 1],
    [1, 7],
    [5, 1],
  ])("takes a picture of %i × %i pixels", (width, height) => {
    const data = new Uint8Array(width * height * 3).fill(90);
    expect([...segmentGraph(colourGraph({ data, width, height }, 0.8), { scale: 100, minSize: 20 })]).toEqual(
      new Array(width * height).fill(0),
    );
  });
});
