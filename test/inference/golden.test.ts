/** Sizes, activation maps, label maps and probabilities against the public inference code. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { activation, fullCams, keptCams, pick } from "../../src/inference/cam.ts";
import { labelsOf, withBackground } from "../../src/inference/pseudo-labels.ts";
import { coveredSize, roundHalfEven, type Size, scaledSize, stridedSize } from "../../src/inference/resize.ts";
import { probabilities } from "../../src/inference/segmentation.ts";
import { mirrorAdded } from "../../src/inference/tta.ts";
import { liveTensors, scope, type Tensor, tensor } from "../../src/torch/index.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

interface Case {
  name: string;
  size_hw: Size;
  scales: number[];
  flip: boolean;
  labels: number[];
  strided_size: Size;
  strided_up_size: Size;
  per_scale: { scale: number; resized_hw: Size; cam_raw: Golden; seg_logits: Golden }[];
  keys: number[];
  cam: Golden;
  hr_cam: Golden;
  label_maps_by_threshold: Record<string, { labels: number[]; ambiguous_pixels: number[] }>;
  seg_probabilities: Golden;
}

interface Fixture {
  cases: Case[];
  rounding: { size: number; scale: number; resized: number }[];
  strided_sizes: { hw: Size; stride4: Size; up16: Size }[];
}

const golden = readGolden<Fixture>("08-cam-inference");

function expand(runs: readonly number[]): number[] {
  const values: number[] = [];
  for (let i = 0; i < runs.length; i += 2) values.push(...new Array<number>(runs[i + 1]!).fill(runs[i]!));
  return values;
}

const tensorOf = ({ shape, data }: Golden): Tensor => tensor(data!, { shape, dtype: "float32" });
const presentIn = (labels: readonly number[]) => labels.flatMap((label, index) => (label ? [index] : []));

let before = 0;
beforeEach(() => {
  before = liveTensors();
});
afterEach(() => {
  expect(liveTensors()).toBe(before);
});

describe("sizes", () => {
  it("rounds halves to even, as Python does", () => {
    for (const { size, scale, resized } of golden.rounding) expect(roundHalfEven(size * scale)).toBe(resized);
  });

  it("keeps maps at a quarter and makes full ones on multiples of 16", () => {
    for (const { hw, stride4, up16 } of golden.strided_sizes) {
      expect(stridedSize(hw, 4)).toEqual(stride4);
      expect(coveredSize(hw, hw, 16)).toEqual(up16);
    }
  });
});

describe.each(golden.cases)("$name", (case_) => {
  const { size_hw: size, per_scale } = case_;
  const present = presentIn(case_.labels);
  const activations = () => per_scale.map(({ cam_raw }) => activation(tensorOf(cam_raw), present));

  it("scales the image to the same sizes", () => {
    expect(per_scale.map(({ scale }) => scaledSize(size, scale))).toEqual(
      per_scale.map(({ resized_hw }) => resized_hw),
    );
  });

  it("combines scales and mirror images to the same strided and full maps", () => {
    scope(() => {
      expectGolden(keptCams(activations(), size), case_.cam, { tolerance: 1e-6, name: "cam" });
      expectGolden(fullCams(activations(), size, case_.strided_up_size), case_.hr_cam, {
        tolerance: 1e-6,
        name: "hr_cam",
      });
    });
  });

  it.each(Object.entries(case_.label_maps_by_threshold))("labels the same pixels at threshold %s", (threshold, map) => {
    scope(() => {
      const labels = labelsOf(
        withBackground(fullCams(activations(), size, case_.strided_up_size), Number(threshold)),
        case_.keys,
      );
      const wanted = expand(map.labels);
      expect([labels.height, labels.width]).toEqual(size);
      expect(labels.data.length).toBe(wanted.length);
      const wrong = wanted.flatMap((label, pixel) => (labels.data[pixel] === label ? [] : [pixel]));
      expect(wrong.filter((pixel) => !map.ambiguous_pixels.includes(pixel))).toEqual([]);
    });
  });

  it("gives the same probabilities of the segmentation branch", () => {
    scope(() => {
      // The public code adds mirror images and knows no other classes than the image's.
      const channels = [0, ...present.map((index) => index + 1)];
      const scales = per_scale.map(({ seg_logits }) => mirrorAdded(pick(tensorOf(seg_logits), 1, channels)));
      const all = present.map((_, k) => k);
      expectGolden(probabilities(scales, all, size), case_.seg_probabilities, {
        tolerance: 1e-6,
        name: "probabilities",
      });
    });
  });
});
