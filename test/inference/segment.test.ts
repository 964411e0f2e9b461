/** Multi-scale inference of the verification networks, against test/golden/make-verify.py and the CRF's own door. */
import { describe, expect, it } from "vitest";
import { type SegmentSettings, segmentImage, segmentProbabilities } from "../../src/inference/segment.ts";
import type { SegmenterInfo } from "../../src/models/segmenter.ts";
import { crfParamsOf } from "../../src/refine/crf-params.ts";
import { denseCrf } from "../../src/refine/dense-crf.ts";
import { unaryFromSoftmax } from "../../src/refine/unaries.ts";
import { fromTypedArray, liveTensors, noGrad } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { fillModule } from "../helpers/fill.ts";
import { readGolden, recordDeviation } from "../helpers/golden.ts";
import { tinySegmenter } from "../training/tiny-segmenter.ts";

const { inference, width, classes } = readGolden<{
  classes: number;
  width: number;
  inference: {
    height: number;
    width: number;
    mean: [number, number, number];
    std: [number, number, number];
    cases: {
      scales: number[];
      /** Every seventh. */
      probabilities: number[];
    }[];
  };
}>("verify");

const info: SegmenterInfo = {
  network: "deeplabv3plus",
  ...{ backbone: "tiny", outputStride: 16, padding: "symmetric", headChannels: 0 },
  bgr: false,
  mean: inference.mean,
  std: inference.std,
  classes: { ids: [0, 8, 10, 15], names: ["background", "cat", "cow", "person"] },
};
const settings: SegmentSettings = {
  ...{ scales: [0.5, 1], flip: true, size: "original", crf: null, device: "cpu", precision: "fp32" },
} as const;

/** The same integer arithmetic as in the script. */
const image = {
  height: inference.height,
  width: inference.width,
  data: Uint8Array.from({ length: inference.height * inference.width * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % inference.width, Math.floor(i / 3 / inference.width)];
    return (x * 7 + y * 5 + c * 60 + (Math.floor(x / 8) + Math.floor(y / 6)) * 40) % 256;
  }),
};

function network() {
  const { segmenter } = tinySegmenter("deeplabv3plus", { width, classes });
  fillModule(segmenter.model);
  segmenter.model.eval();
  return { segmenter, info };
}

describe("multi-scale inference", () => {
  it.each(inference.cases)(
    "adds mirror images and averages scales $scales as the authors' does",
    ({ scales, probabilities }) => {
      const chances = noGrad(() => segmentProbabilities(network(), image, { ...settings, scales }));
      expect(chances.shape).toEqual([classes, image.height, image.width]);
      const own = chances.toArray().filter((_, i) => i % 7 === 0);
      const worst = Math.max(...own.map((value, i) => Math.abs(value - probabilities[i]!)));
      recordDeviation(`probabilities, ${scales.length} scales`, worst);
      expect(own).toHaveLength(probabilities.length);
      // Pillow resizes in fixed point: a grey level more or less here and there. At scale 1 nothing is resized.
      expect(worst).toBeLessThan(scales.length === 1 ? 1e-6 : 5e-4);
    },
  );

  it("labels by dataset ids, with and without the CRF on the probabilities, and leaves no tensor behind", () => {
    const { crf: _, scales: __, flip: ___, size: ____, ...kernels } = recipeSchema.parse({}).verify.predict;
    const net = network();
    const before = liveTensors();
    const { labels, refined } = segmentImage(net, image, { ...settings, crf: kernels });
    expect(liveTensors()).toBe(before);
    const chances = noGrad(() => segmentProbabilities(net, image, settings));
    const ids = (best: number[]) => best.map((index) => info.classes.ids[index]!);
    expect([...labels.data]).toEqual(ids(chances.argmax(0).toArray()));
    const pixels = fromTypedArray(image.data, [1, image.height, image.width, 3]);
    const params = crfParamsOf(kernels);
    expect(params).toMatchObject({
      gaussianSxy: 1,
      bilateralSxy: 67,
      bilateralSrgb: 3,
      bilateralCompat: 4,
      iterations: 10,
    });
    const q = denseCrf({ images: pixels, unary: unaryFromSoftmax(chances.unsqueeze(0)), params });
    expect([...refined!.data]).toEqual(ids(q.squeeze(0).argmax(0).toArray()));
    expect(refined!.data).not.toEqual(labels.data);
    expect(segmentImage(net, image, settings).refined).toBeNull();
  });

  it("can run the CRF on a smaller copy of the image", () => {
    const { crf: _, scales: __, flip: ___, size: ____, ...kernels } = recipeSchema.parse({}).verify.predict;
    const { refined } = segmentImage(network(), image, { ...settings, crf: { ...kernels, crf_scale: 0.5 } });
    expect([refined!.width, refined!.height]).toEqual([image.width, image.height]);
  });

  it("says that a network's numbers are no numbers", () => {
    const net = network();
    noGrad(() => void net.segmenter.model.parameters()[0]!.mul_(Number.NaN));
    expect(() => segmentImage(net, image, settings)).toThrow(/not finite; its file is damaged/);
  });
});
