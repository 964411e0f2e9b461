import { afterAll, describe, expect, it } from "vitest";
import { crfParamsOf, crfPresets, scaleCrfParams } from "../../src/refine/crf-params.ts";
import { denseCrf, denseCrfLabels, shrinkImages } from "../../src/refine/dense-crf.ts";
import { unaryFromLabels, unaryFromSoftmax } from "../../src/refine/unaries.ts";
import {
  cat,
  fromTypedArray,
  full,
  getThreads,
  setThreads,
  type Tensor,
  tensor,
  zeros,
} from "../../src/torch/index.ts";
import { blocks, readPixels, scene } from "../helpers/crf.ts";

const before = getThreads();
afterAll(() => void setThreads(before));

const bits = (t: Tensor) => Buffer.from(t.toTypedArray().buffer);
const energies = (height: number, width: number, n: number, unaries = 1) =>
  unaryFromLabels(blocks(height, width, n, unaries), { labelCount: n });

describe("the same bits", () => {
  const [height, width] = [70, 150]; // not whole tiles, not whole blocks

  it("with any number of threads, on one image and on a batch", () => {
    const images = cat([scene(height, width, 1), scene(height, width, 2), scene(height, width, 3)]);
    const unary = cat([1, 2, 3].map(() => energies(height, width, 4, 2)));
    const labels = cat([1, 2, 3].map(() => blocks(height, width, 4, 2)));
    const results = [1, 2, 3, 7].map((threads) => {
      setThreads(threads);
      const single = denseCrf({ images: images.narrow(0, 0, 1), unary: unary.narrow(0, 0, 1) });
      return [single, denseCrf({ images, unary }), denseCrfLabels({ images, labels, classes: 4 })].map(bits);
    });
    for (const [single, batch, refined] of results) {
      expect(single!.equals(results[0]![0]!)).toBe(true);
      expect(batch!.equals(results[0]![1]!)).toBe(true);
      expect(refined!.equals(results[0]![2]!)).toBe(true);
    }
  });

  // 2…30 channels: every width of rows that the lattice filters, and several groups of them.
  it.each([2, 3, 4, 6, 9, 11, 31])("for several unaries on one lattice as for each alone, %i labels", (n) => {
    const images = scene(height, width);
    const unary = energies(height, width, n, 3);
    const together = denseCrf({ images, unary });
    for (let u = 0; u < 3; u++) {
      const alone = denseCrf({ images, unary: unary.select(1, u) });
      expect(bits(together.select(1, u)).equals(bits(alone))).toBe(true);
    }
  });

  it("for a batch as for each image alone", () => {
    const images = cat([scene(height, width, 1), scene(height, width, 2), scene(height, width, 3)]);
    const unary = cat([3, 3, 3].map((n) => energies(height, width, n)));
    const together = denseCrf({ images, unary: unary.squeeze(1) });
    for (let b = 0; b < 3; b++) {
      const alone = denseCrf({ images: images.narrow(0, b, 1), unary: unary.narrow(0, b, 1).squeeze(1) });
      expect(bits(together.narrow(0, b, 1)).equals(bits(alone))).toBe(true);
    }
  });

  it("for the first labels of many as without the others", () => {
    const images = scene(height, width);
    const unary = energies(height, width, 5).squeeze(1);
    const q = denseCrf({ images, unary, labelCounts: [3] });
    expect(bits(q.narrow(1, 0, 3)).equals(bits(denseCrf({ images, unary: unary.narrow(1, 0, 3) })))).toBe(true);
    expect(q.narrow(1, 3, 2).abs().sum().item()).toBe(0);
  });

  it("for labels straight from labels as by way of energies", () => {
    const images = scene(height, width);
    const refined = denseCrfLabels({ images, labels: blocks(height, width, 3, 2), classes: 3 });
    const q = denseCrf({ images, unary: energies(height, width, 3, 2) });
    expect(bits(refined).equals(bits(q.argmax(2).to("uint8")))).toBe(true);
  });
});

describe("the result", () => {
  const images = scene(40, 52);
  const unary = energies(40, 52, 3).squeeze(1);

  it("sums to one over the labels, on one pixel as on many", () => {
    for (const [height, width] of [
      [1, 1],
      [1, 40],
      [33, 1],
      [2, 3],
      [64, 64],
      [65, 17],
    ] as const) {
      for (const n of [1, 2, 3]) {
        const q = denseCrf({ images: scene(height, width), unary: energies(height, width, n).squeeze(1) });
        expect(q.shape).toEqual([1, n, height, width]);
        expect(q.sum(1).sub(1).abs().max().item()).toBeLessThan(1e-6);
      }
    }
  });

  it("is the softmax of the unaries without iterations, and without weights", () => {
    const softmax = unary.neg().softmax(1);
    const none = denseCrf({ images, unary, params: { ...crfPresets.labels, iterations: 0 } });
    const free = denseCrf({ images, unary, params: { ...crfPresets.labels, gaussianCompat: 0, bilateralCompat: 0 } });
    expect(none.sub(softmax).abs().max().item()).toBeLessThan(1e-6);
    expect(free.sub(softmax).abs().max().item()).toBeLessThan(1e-6);
  });

  it("moves a label's border to the colour's border", () => {
    const side = 32;
    const left = (x: number) => x < 16;
    const at = <T>(value: (x: number) => T) => Array.from({ length: side * side }, (_, i) => value(i % side));
    const image = fromTypedArray(Uint8Array.from(at((x) => (left(x) ? [200, 60, 60] : [40, 90, 160])).flat()), [
      1,
      side,
      side,
      3,
    ]);
    const labels = fromTypedArray(Uint8Array.from(at((x) => (x < 13 ? 7 : 2))), [1, side, side]);
    const refined = denseCrfLabels({ images: image, labels, classes: [[2, 7]] });
    expect(refined.toArray()).toEqual(at((x) => (left(x) ? 7 : 2)));
  });

  it("holds class ids, keeps one class as it is, and lets an absent class take part", () => {
    const one = denseCrfLabels({
      images,
      labels: full([1, 40, 52], 9, { dtype: "uint8" }),
      classes: [[9]],
    });
    expect(new Set(one.toArray())).toEqual(new Set([9]));
    const ids = blocks(40, 52, 2).squeeze(1).mul(200).byte();
    const refined = denseCrfLabels({ images, labels: ids, classes: [[0, 200, 255]] });
    expect([...new Set(refined.toArray())].every((id) => id === 0 || id === 200)).toBe(true);
  });

  it("of a shrunk run is nearly that of the full one, in full size", async () => {
    const [photo, map] = await Promise.all(
      ["photo0", "photo0-labels"].map((name) => readPixels(`img/crf-${name}.png`)),
    );
    const { height, width } = photo!;
    const photos = fromTypedArray(photo!.data, [1, height, width, 3]);
    const labels = fromTypedArray(map!.data, [1, height, width]);
    const whole = denseCrfLabels({ images: photos, labels, classes: 3 });
    const half = denseCrfLabels({ images: photos, labels, classes: 3, scale: 0.5 });
    expect(half.shape).toEqual(whole.shape);
    const agreement = (a: Tensor, b: Tensor) => a.eq(b).float().mean().item();
    expect(agreement(half, whole)).toBeGreaterThan(0.95);
    expect(agreement(half, whole)).toBeGreaterThan(agreement(labels, whole));
  });

  it("survives extreme kernels and images", () => {
    const params = { ...crfPresets.labels, bilateralSxy: 0.5, bilateralSrgb: 0.5, gaussianSxy: 0.1 };
    expect(denseCrf({ images, unary, params }).isfinite().all().item()).toBe(1);
    const wide = {
      ...crfPresets.labels,
      bilateralSxy: 1e6,
      bilateralSrgb: 1e6,
      gaussianSxy: 1e6,
      bilateralCompat: 1e4,
    };
    expect(denseCrf({ images, unary, params: wide }).isfinite().all().item()).toBe(1);
    const black = zeros([1, 40, 52, 3], { dtype: "uint8" });
    expect(
      denseCrf({ images: black, unary: unary.mul(1e20) })
        .isfinite()
        .all()
        .item(),
    ).toBe(1);
  });
});

describe("is refused with a message", () => {
  const images = scene(8, 9);
  const unary = energies(8, 9, 2);
  const labels = blocks(8, 9, 2);
  const cases: [string, () => unknown, RegExp][] = [
    [
      "floating-point images",
      () => denseCrf({ images: images.float(), unary }),
      /expected uint8 images, got (f|F)loat/,
    ],
    [
      "four channels",
      () => denseCrf({ images: zeros([1, 8, 9, 4]).byte(), unary }),
      /\[B, H, W, 3\], got \[1, 8, 9, 4\]/,
    ],
    [
      "another size",
      () => denseCrf({ images: scene(9, 8), unary }),
      /unary of 1 images of 9 x 8, got \[1, 1, 2, 8, 9\]/,
    ],
    [
      "no pixels",
      () => denseCrf({ images: zeros([1, 0, 9, 3]).byte(), unary: zeros([1, 2, 0, 9]) }),
      /at least one pixel/,
    ],
    ["other dtypes", () => denseCrf({ images, unary: unary.double() }), /expected float32 unary/],
    [
      "three dimensions",
      () => denseCrf({ images, unary: unary.select(0, 0).select(0, 0) }),
      /\[B, L, H, W\].*\[2,8,9\]/,
    ],
    [
      "NaN",
      () => denseCrf({ images, unary: unary.mul(Number.NaN) }),
      /within .*, got nan in image 0, unary 0, label 0/,
    ],
    ["infinity", () => denseCrf({ images, unary: unary.div(0) }), /within .*, got inf/],
    ["too many labels", () => denseCrf({ images, unary, labelCounts: [3] }), /n_labels\[0\] in 1\.\.2, got 3/],
    ["no labels", () => denseCrf({ images, unary, labelCounts: [0] }), /n_labels\[0\] in 1\.\.2, got 0/],
    ["half a label", () => denseCrf({ images, unary, labelCounts: [1.5] }), /whole numbers .* got 1\.5/],
    ["too few counts", () => denseCrf({ images, unary, labelCounts: [] }), /n_labels \[1\], got .* \[0\]/],
    [
      "a width of 0",
      () => denseCrf({ images, unary, params: { ...crfPresets.labels, gaussianSxy: 0 } }),
      /gaussian_sxy in/,
    ],
    [
      "a weight below 0",
      () => denseCrf({ images, unary, params: { ...crfPresets.labels, bilateralCompat: -1 } }),
      /got -1/,
    ],
    [
      "iterations below 0",
      () => denseCrf({ images, unary, params: { ...crfPresets.labels, iterations: -1 } }),
      /at least 0/,
    ],
    [
      "kernels without width",
      () => denseCrf({ images, unary, params: { ...crfPresets.labels, bilateralSrgb: 1e-5 } }),
      /tiny/,
    ],
    ["a foreign label", () => denseCrfLabels({ images, labels, classes: [[0, 5]] }), /classes of image 0, got 1/],
    [
      "a class twice",
      () => denseCrfLabels({ images, labels, classes: [[0, 1, 1]] }),
      /distinct class ids, got 1 twice/,
    ],
    ["a class over 255", () => denseCrfLabels({ images, labels, classes: [[0, 1, 256]] }), /0\.\.255, got 256/],
    ["no classes", () => denseCrfLabels({ images, labels, classes: [[]] }), /at least one class for image 0/],
    ["classes of another batch", () => denseCrfLabels({ images, labels, classes: [[0, 1], [0]] }), /classes \[1, K\]/],
    ["certainty", () => denseCrfLabels({ images, labels, classes: 2, gtProb: 1 }), /gt_prob between 0 and 1, got 1/],
    ["growing", () => denseCrfLabels({ images, labels, classes: 2, scale: 2 }), /fraction .* got 2/],
  ];
  it.each(cases)("%s", (_, call, message) => expect(call).toThrow(message));

  it("and an empty batch gives an empty result", () => {
    expect(denseCrf({ images: images.narrow(0, 0, 0), unary: unary.narrow(0, 0, 0) }).shape).toEqual([0, 1, 2, 8, 9]);
  });
});

describe("helpers", () => {
  it("energies of labels are −ln of the given and the shared probability", () => {
    const unary = unaryFromLabels(tensor([[0, 2]], { dtype: "int64" }), { labelCount: 3, gtProb: 0.8 });
    const [own, other] = [-Math.log(0.8), -Math.log(0.1)].map(Math.fround);
    expect(unary.shape).toEqual([3, 1, 2]);
    expect(unary.toArray()).toEqual([own, other, other, other, other, own]);
    expect(() => unaryFromLabels(tensor([[0, 3]]), { labelCount: 3 })).toThrow(/0…2 .* got \[0,3\]/);
  });

  it("energies of probabilities are clipped, and mixed with the uniform distribution where asked", () => {
    const p = tensor([[[0]], [[1]]]);
    expect(unaryFromSoftmax(p).toArray()[0]).toBeCloseTo(-Math.log(1e-5), 5);
    expect(unaryFromSoftmax(p).toArray()[1]).toBeCloseTo(0);
    const mixed = unaryFromSoftmax(p, { scale: 0.7 }).toArray();
    expect(mixed[0]).toBeCloseTo(-Math.log(0.15), 6);
    expect(mixed[1]).toBeCloseTo(-Math.log(0.85), 6);
  });

  it("scaling changes distances only", () => {
    expect(scaleCrfParams(crfPresets.labels, 0.5)).toEqual({
      ...crfPresets.labels,
      gaussianSxy: 1.5,
      bilateralSxy: 25,
    });
  });

  it("recipes' keys become parameters", () => {
    const keys = {
      gaussian_sxy: 1,
      gaussian_compat: 3,
      bilateral_sxy: 67,
      bilateral_srgb: 3,
      bilateral_compat: 4,
      iterations: 10,
    };
    expect(crfParamsOf({ ...keys, ...{ gt_prob: 0.7 } })).toEqual(crfPresets.dlv2);
  });

  it("shrinking averages areas", () => {
    const image = fromTypedArray(Uint8Array.from([0, 0, 0, 10, 20, 30, 20, 40, 60, 30, 60, 90]), [1, 2, 2, 3]);
    expect(shrinkImages(image, [1, 1]).toArray()).toEqual([15, 30, 45]);
  });
});
