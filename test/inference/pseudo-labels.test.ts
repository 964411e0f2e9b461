/** Label maps from scores: ties, ids, what each source counts. */
import { describe, expect, it } from "vitest";
import type { Planes, Source } from "../../src/inference/predictor.ts";
import { labelsOf, scoreMaps, withBackground } from "../../src/inference/pseudo-labels.ts";
import { probabilities, viewLogits } from "../../src/inference/segmentation.ts";
import { scope, tensor } from "../../src/torch/index.ts";

const keys = [0, 8, 12];

/** Two maps of 1×4 pixels. */
const cams = () => tensor([[[0.9, 0.4, 0.1, 0.0]], [[0.5, 0.2, 0.3, 0.0]]]);

describe("labels of activation maps", () => {
  it("are the strongest class above the threshold, as dataset ids", () => {
    const labels = scope(() => labelsOf(withBackground(cams(), 0.25), keys));
    expect(labels).toEqual({ width: 4, height: 1, data: Uint8Array.of(8, 8, 12, 0) });
  });

  it("are background at the threshold itself", () => {
    const half = () => tensor([[[0.5, 0.50001]], [[0, 0]]]);
    expect(scope(() => labelsOf(withBackground(half(), 0.5), keys)).data).toEqual(Uint8Array.of(0, 8));
  });

  it("have a threshold between 0 and 1", () => {
    for (const threshold of [-0.1, 1.1, Number.NaN]) {
      expect(() => scope(() => withBackground(cams(), threshold))).toThrow("0..1 for the background threshold");
    }
  });

  it("need an id for every plane", () => {
    expect(() => scope(() => labelsOf(withBackground(cams(), 0.5), [0, 8]))).toThrow("expected 3 ids");
  });
});

describe("scores", () => {
  /** One class map of 1×2 cells, at 1 and .5 of its maximum, and probabilities of background, that class and another. */
  const prediction = {
    keys: [0, 8, 12],
    image: [1, 2] as [number, number],
    covered: [1, 2] as [number, number],
    cams: planes([[1, 0.5]]),
    activations: [
      planes([
        [4, 2],
        [0, 6],
      ]),
    ],
    probabilities: planes([
      [0.2, 1],
      [0.6, 0],
      [0.2, 0],
    ]),
  };
  const scoresOf = (source: Source) => scope(() => scoreMaps(prediction, source).toArray());

  it("of activation maps are these, each divided by its maximum", () => {
    expectClose(scoresOf("cam"), [1, 0.5, 0, 1]);
  });

  it("of the segmentation branch give the first class all that is not background, the other its share", () => {
    expectClose(scoresOf("segmentation"), [0.8, 0, 0.8 / 3, 0]);
  });

  it("of both are the mean", () => {
    expectClose(scoresOf("mean"), [0.9, 0.25, 0.4 / 3, 0.5]);
  });

  it("take segmentation at a lower resolution", () => {
    const coarse = { ...prediction, image: [1, 4] as [number, number] };
    expectClose(
      scope(() => scoreMaps(coarse, "segmentation").select(0, 0).toArray()),
      [0.8, 0.6, 0.2, 0],
    );
  });

  it("of the segmentation branch need its probabilities", () => {
    const without = { ...prediction, probabilities: null };
    expect(() => scope(() => scoreMaps(without, "segmentation"))).toThrow("expected probabilities");
  });
});

describe("probabilities where the classes are known", () => {
  const logits = () => tensor([[[1]], [[0.5]], [[2]], [[-1]]]); // background and three classes, one pixel
  const [background, a, b, c] = [1, 0.5, 2, -1].map(Math.exp) as [number, number, number, number];
  const all = background + a + b + c;

  it("are those of the network where every class may be there", () => {
    expectClose(
      scope(() => probabilities([logits()], [0, 1, 2], [1, 1]).toArray()),
      [background, a, b, c].map((e) => e / all),
    );
  });

  it("give classes that may be there what the others got, not the background", () => {
    const rest = 1 - background / all;
    const wanted = [1 - rest, (rest * a) / (a + c), (rest * c) / (a + c)];
    expectClose(
      scope(() => probabilities([logits()], [0, 2], [1, 1]).toArray()),
      wanted,
    );
  });

  it("are the mean over scales of the logits, and over an image and its mirror image", () => {
    const scales = () => [logits().add(1), logits().mul(0)];
    const once = scope(() => probabilities(scales(), [0], [1, 1]).toArray());
    const mean = scope(() => probabilities([logits().add(1).div(2)], [0], [1, 1]).toArray());
    expectClose(once, mean);
    const both = scope(() => viewLogits(tensor([[[[1, 2]]], [[[4, 3]]]])).toArray());
    expectClose(both, [2, 3]);
  });

  it("of no class are the background's alone", () => {
    expect(scope(() => probabilities([logits()], [], [1, 1]).shape)).toEqual([1, 1, 1]);
  });
});

function planes(rows: number[][]): Planes {
  return { data: Float32Array.from(rows.flat()), planes: rows.length, height: 1, width: rows[0]!.length };
}

function expectClose(values: readonly number[], wanted: readonly number[]): void {
  expect(values.length).toBe(wanted.length);
  values.forEach((value, i) => void expect(value).toBeCloseTo(wanted[i]!, 4));
}
