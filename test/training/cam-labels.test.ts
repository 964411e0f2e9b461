import { describe, expect, it } from "vitest";
import { tensor } from "../../src/torch/index.ts";
import { combineLabelings, labelAbove, labelBetween, normaliseCams } from "../../src/training/cam-labels.ts";
import { recordDeviation } from "../helpers/golden.ts";
import { double, unrolled } from "../losses/fixture.ts";
import { differing, pseudo } from "./pseudo-label-fixture.ts";

const cams = double(pseudo.cams_raw).to("float32");
const tags = double(pseudo.labels).to("float32");
const present = [0, 1].map((b) =>
  tags
    .select(0, b)
    .toArray()
    .flatMap((y, c) => (y > 0 ? [c + 1] : [])),
);

describe("normalised CAMs", () => {
  it("equal the reference in the paper's order and in the authors'", () => {
    expectSampled(normaliseCams(cams, tags, pseudo.size_hw, "strided").toArray(), pseudo.cam_normalised_upsampled);
    expectSampled(
      normaliseCams(cams, tags, pseudo.size_hw, "upsampled").toArray(),
      pseudo.cam_upsampled_then_normalised,
    );
    expectSampled(normaliseCams(cams, tags, [6, 8], "strided").toArray(), pseudo.cam_normalised);
  });

  it("are 0 for absent classes and for maps without any positive value", () => {
    const maps = normaliseCams(tensor([[[[5]], [[-2]], [[4]]]]), tensor([[0, 1, 1]]), [2, 2], "upsampled");
    expect(maps.select(1, 0).sum().item()).toBe(0);
    expect(maps.select(1, 1).sum().item()).toBe(0);
    expect(maps.select(1, 2).min().item()).toBeGreaterThan(0.999);
  });
});

describe("labels by two thresholds", () => {
  it.each(pseudo.cases)(
    "equal the reference without a CRF at $bg_threshold and $fg_threshold, in both orders",
    (one) => {
      for (const [order, wanted] of [
        ["strided", one.expected_without_crf],
        ["upsampled", one.paper_order_without_crf],
      ] as const) {
        const scores = normaliseCams(cams, tags, pseudo.size_hw, order);
        const labels = labelBetween(scores, one.bg_threshold, one.fg_threshold);
        for (const b of [0, 1]) {
          const actual = labels.select(0, b).toArray();
          expect(differing(actual, unrolled(wanted[b]!), one.ambiguous_pixels_without_crf[b]), order).toEqual([]);
        }
      }
    },
  );

  it.each(pseudo.cases)("start from the reference's two labelings at $bg_threshold and $fg_threshold", (one) => {
    const scores = normaliseCams(cams, tags, pseudo.size_hw, "strided");
    for (const [threshold, wanted] of [
      [one.fg_threshold, one.fg_only_labeling],
      [one.bg_threshold, one.bg_only_labeling],
    ] as const) {
      const labels = labelAbove(scores, threshold);
      for (const b of [0, 1]) {
        const local = unrolled(wanted[b]!).map((index) => (index === 0 ? 0 : present[b]![index - 1]!));
        expect(differing(labels.select(0, b).toArray(), local, one.ambiguous_pixels_without_crf[b])).toEqual([]);
      }
    }
  });

  it("are the strict labeling's class, background where both say so, and void in between", () => {
    const foreground = tensor([[[0, 0, 2, 3]]], { dtype: "uint8" });
    const background = tensor([[[0, 1, 2, 1]]], { dtype: "uint8" });
    expect(combineLabelings(foreground, background).toArray()).toEqual([0, 255, 2, 3]);
  });

  it("take a score exactly at a threshold as not above it", () => {
    expect(labelAbove(tensor([[[[0.5, 0.75]]]]), 0.5).toArray()).toEqual([0, 1]);
  });
});

function expectSampled(
  actual: number[],
  golden: { shape: number[]; data?: number[]; idx?: number[]; val?: number[] },
): void {
  const values = golden.data ?? golden.val!;
  const worst = values.map((value, k) => Math.abs(actual[golden.idx?.[k] ?? k]! - value));
  recordDeviation("scores", Math.max(...worst));
  expect(Math.max(...worst)).toBeLessThan(1e-6);
}
