/** One image through a random network: sizes, sources, tags, mirrors. */
import { describe, expect, it } from "vitest";
import { Predictor, type PredictorOptions, seenClasses } from "../../src/inference/predictor.ts";
import { type LabelRule, labelMapOf } from "../../src/inference/pseudo-labels.ts";
import { liveTensors, noGrad } from "../../src/torch/index.ts";
import { picture, tinyNetwork } from "./tiny.ts";

const catAndDog = Uint8Array.of(1, 0, 1);
const nothing = new Uint8Array(3);
const quick = { scales: [1], flip: false } satisfies PredictorOptions;
const rules: LabelRule[] = [
  { source: "cam", threshold: 0.4 },
  { source: "segmentation", threshold: 0.4 },
  { source: "mean", threshold: 0.4 },
];

function predictor(options: PredictorOptions = {}, kind: "csrm" | "classifier" = "csrm"): Predictor {
  return new Predictor(tinyNetwork(kind), options);
}

describe("a prediction", () => {
  it("has the image's size whatever the network saw", () => {
    for (const size of ["original", [64, 64], { longest: 32 }] as const) {
      using csrm = predictor({ ...quick, source: "mean", size });
      const prediction = csrm.predictImage(picture(50, 37), catAndDog);
      expect(prediction.keys).toEqual([0, 8, 12]);
      expect(prediction.cams).toMatchObject({ planes: 2, height: 10, width: 13 });
      expect(prediction.probabilities).toMatchObject({ planes: 3, height: 10, width: 13 });
      const labels = labelMapOf(prediction, { source: "mean", threshold: 0.4 });
      expect(labels).toMatchObject({ width: 50, height: 37 });
      expect([...new Set(labels.data)].every((id) => [0, 8, 12].includes(id))).toBe(true);
    }
  });

  it("is refused when the network gives numbers that are not finite, in whichever branch", () => {
    for (const name of ["classifier.weight", "decoder.8.bias"]) {
      const network = tinyNetwork("csrm");
      noGrad(() => network.model.namedParameters().get(name)!.mul_(Number.NaN));
      using broken = new Predictor(network, { ...quick, source: "segmentation" });
      expect(() => broken.predictImage(picture(50, 37), catAndDog)).toThrow(
        /output is not finite; its file is damaged/,
      );
    }
  });

  it("keeps one activation map a scale, at the network's own resolution", () => {
    using csrm = predictor({ scales: [0.5, 1, 2], flip: true });
    const { activations, covered } = csrm.predictImage(picture(50, 37), catAndDog);
    const sizes = activations.map(({ planes, height, width }) => [planes, height, width]);
    expect(sizes).toEqual([
      [2, 2, 2],
      [2, 3, 4],
      [2, 5, 7],
    ]);
    expect(covered).toEqual([48, 64]);
  });

  it("has maps between 0 and 1 that reach 1", () => {
    using csrm = predictor();
    const { data, planes } = csrm.predictImage(picture(64, 48), catAndDog).cams;
    for (let k = 0; k < planes; k++) {
      const map = data.subarray((k * data.length) / planes, ((k + 1) * data.length) / planes);
      expect(Math.min(...map)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...map)).toBeCloseTo(1, 2);
    }
  });

  it("is mirrored for a mirrored image, when mirrors are summed up", () => {
    const image = picture(64, 48);
    const mirrored = { ...image, data: new Uint8Array(image.data.length) };
    for (let i = 0; i < 64 * 48; i++) {
      const from = (i - (i % 64) + 63 - (i % 64)) * 3;
      mirrored.data.set(image.data.subarray(from, from + 3), i * 3);
    }
    using csrm = predictor({ scales: [1], flip: true });
    const maps = [image, mirrored].map((one) => csrm.predictImage(one, catAndDog).cams);
    const [own, other] = maps as [(typeof maps)[0], (typeof maps)[0]];
    const back = own.data.map((_, i) => other.data[i - (i % 16) + 15 - (i % 16)]!);
    expect(Math.max(...own.data.map((value, i) => Math.abs(value - back[i]!)))).toBeLessThan(1e-4);
  });

  it("leaves no tensors behind", () => {
    using csrm = predictor({ source: "mean" });
    const before = liveTensors();
    const prediction = csrm.predictImage(picture(50, 37), null);
    labelMapOf(prediction, { source: "mean", threshold: 0.4 });
    expect(liveTensors()).toBe(before);
  });

  it("of a classifier has the same activation maps as that of CSRM with the same weights", () => {
    using plain = predictor(quick, "classifier");
    using csrm = predictor(quick);
    const [a, b] = [plain, csrm].map((one) => one.predictImage(picture(50, 37), catAndDog));
    expect(a).toEqual(b);
  });

  it("in bfloat16 differs little from that in float32", () => {
    using exact = predictor(quick);
    using rough = predictor({ ...quick, precision: "bf16" });
    const [a, b] = [exact, rough].map((one) => one.predictImage(picture(64, 64), catAndDog).cams.data);
    const mean = a!.reduce((sum, value, i) => sum + Math.abs(value - b![i]!), 0) / a!.length;
    expect(mean).toBeGreaterThan(0);
    expect(mean).toBeLessThan(0.05);
  });
});

describe.each(rules)("labels from $source", (rule) => {
  it("of an image without any class are all background, in the image's size", () => {
    using csrm = predictor({ ...quick, source: rule.source });
    const prediction = csrm.predictImage(picture(50, 37), nothing);
    expect(prediction.keys).toEqual([0]);
    const labels = labelMapOf(prediction, rule);
    expect(labels).toMatchObject({ width: 50, height: 37 });
    expect(labels.data).toEqual(new Uint8Array(50 * 37));
  });

  it("hold more than the background for an image with a class", () => {
    using csrm = predictor({ ...quick, source: rule.source });
    const labels = labelMapOf(csrm.predictImage(picture(50, 37), catAndDog), rule);
    expect(new Set(labels.data).size).toBeGreaterThan(1);
  });
});

describe("classes of an untagged image", () => {
  it("are those above one half, in order", () => {
    expect(seenClasses([2, -1, 0.1])).toEqual([0, 2]);
  });

  it("are at least the strongest", () => {
    expect(seenClasses([-3, -1, -2])).toEqual([1]);
  });

  it("decide over the keys", () => {
    using csrm = predictor(quick);
    const { keys, logits } = csrm.predictImage(picture(50, 37), null);
    expect(logits.length).toBe(3);
    expect(keys).toEqual([0, ...seenClasses(logits).map((index) => [8, 10, 12][index]!)]);
  });
});

describe("a predictor refuses", () => {
  it("the segmentation branch of a classifier", () => {
    expect(() => predictor({ source: "segmentation" }, "classifier")).toThrow("without segmentation branch");
  });

  it("scales that are none", () => {
    expect(() => predictor({ scales: [] })).toThrow("at least one positive number for the scales");
    expect(() => predictor({ scales: [1, -1] })).toThrow("[1,-1]");
  });

  it("tags of other classes", () => {
    using csrm = predictor(quick);
    expect(() => csrm.predictImage(picture(50, 37), new Uint8Array(20))).toThrow("expected 3 tags");
  });

  it("to make CAM-and-segmentation labels without probabilities", () => {
    using csrm = predictor(quick);
    const prediction = csrm.predictImage(picture(50, 37), catAndDog);
    expect(() => labelMapOf(prediction, { source: "mean", threshold: 0.4 })).toThrow("expected probabilities");
  });
});
