/**
 * The dense CRF in tensor operators, and with the kernels for GPUs (on a CPU the same text, one thread after the other), against the C++ one,
 * which the golden tests hold against pydensecrf.
 */
import { describe, expect, it } from "vitest";
import { type CrfParams, crfPresets } from "../../src/refine/crf-params.ts";
import { denseCrf, denseCrfLabels } from "../../src/refine/dense-crf.ts";
import { buildLattice, filter } from "../../src/refine/lattice.ts";
import { mostGroups } from "../../src/refine/lattice-numbering.ts";
import { tensorCrf, tensorCrfLabels } from "../../src/refine/tensor-crf.ts";
import { unaryFromLabels } from "../../src/refine/unaries.ts";
import { cat, liveTensors, noGrad, scope, type Tensor, zeros } from "../../src/torch/index.ts";
import { blocks, scene } from "../helpers/crf.ts";
import { devices } from "../helpers/devices.ts";

const [height, width] = [45, 70];
const images = cat([scene(height, width, 1), scene(height, width, 2)]);
const energies = (labels: number, sets = 1) =>
  cat([0, 1].map(() => unaryFromLabels(blocks(height, width, labels, sets), { labelCount: labels })));

const ways = devices.flatMap((device) => (["operators", "kernels"] as const).map((by) => ({ device, by })));

describe.each(ways)("the dense CRF by $by on $device", ({ device, by }) => {
  const run = (unary: Tensor, counts: number[], params: CrfParams) =>
    noGrad(() =>
      scope(() => tensorCrf(images.to({ device }), unary.to({ device }), counts, params, by).to({ device: "cpu" })),
    );
  const difference = (unary: Tensor, counts: number[], params: CrfParams = crfPresets.labels) =>
    denseCrf({ images, unary, labelCounts: counts, params })
      .sub(run(unary, counts, params))
      .abs()
      .max()
      .item();

  it.each(Object.entries(crfPresets))("gives the same Q with the parameters %s", (_, params) => {
    expect(difference(energies(3), [3, 3], params)).toBeLessThan(1e-3);
  });

  it("does so for several labelings of an image, and for images with fewer labels", () => {
    const unary = energies(4, 2);
    expect(difference(unary, [4, 2])).toBeLessThan(1e-3);
    expect(run(unary, [4, 2], crfPresets.labels).select(0, 1).narrow(1, 2, 2).abs().sum().item()).toBe(0);
  });

  it("does so with either kernel alone, with none, and without iterations", () => {
    const { labels } = crfPresets;
    for (const change of [
      { gaussianCompat: 0 },
      { bilateralCompat: 0 },
      { gaussianCompat: 0, bilateralCompat: 0 },
      { iterations: 0 },
    ]) {
      expect(difference(energies(3), [3, 3], { ...labels, ...change }), JSON.stringify(change)).toBeLessThan(1e-3);
    }
    expect(difference(energies(1), [1, 1])).toBe(0);
  });

  it("refines hard labels to the same classes, but where two are nearly as probable", () => {
    const labels = cat([0, 1].map(() => blocks(height, width, 3, 2))).mul(4); // ids 0, 4 and 8
    const classes = [
      [0, 4, 8],
      [8, 0, 4, 9],
    ];
    const wanted = denseCrfLabels({ images, labels, classes });
    const options = { images: images.to({ device }), labels: labels.to({ device }), classes, gtProb: 0.7, by };
    const got = scope(() => tensorCrfLabels({ ...options, params: crfPresets.labels }).to({ device: "cpu" }));
    expect([got.dtype, got.shape]).toEqual(["uint8", wanted.shape]);
    expect(got.ne(wanted).sum().item()).toBeLessThan(wanted.numel / 1000);
    const foreign = { ...options, classes: [[0, 4], classes[1]!], params: crfPresets.labels };
    expect(() => scope(() => tensorCrfLabels(foreign))).toThrow("labels among the classes");
  });

  it("keeps the images of a batch apart", () => {
    const unary = energies(3);
    const together = run(unary, [3, 3], crfPresets.labels);
    for (const b of [0, 1]) {
      const alone = tensorCrf(
        images.narrow(0, b, 1).to({ device }),
        unary.narrow(0, b, 1).to({ device }),
        [3],
        crfPresets.labels,
        by,
      );
      expect(
        together
          .select(0, b)
          .sub(alone.select(0, 0).to({ device: "cpu" }))
          .abs()
          .max()
          .item(),
      ).toBeLessThan(1e-4);
    }
  });

  it("refuses what the C++ one refuses", () => {
    const { labels } = crfPresets;
    const unary = energies(3);
    const nan = unary.clone();
    nan.select(0, 0).select(0, 0).select(0, 0).select(0, 0).select(0, 0).fill_(Number.NaN);
    const cases: [() => unknown, RegExp][] = [
      [() => run(nan, [3, 3], labels), /finite energies/],
      [() => run(unary, [9, 3], labels), /label counts in 1\.\.3/],
      [() => run(unary, [0, 3], labels), /label counts in 1\.\.3/],
      [() => run(unary.to({ dtype: "float64" }), [3, 3], labels), /float32 energies/],
      [() => run(unary, [3, 3], { ...labels, gaussianSxy: Number.NaN }), /1e-6\.\.1e9 for gaussianSxy/],
      [() => run(unary, [3, 3], { ...labels, bilateralCompat: -1 }), /0\.\.1e6 for bilateralCompat/],
      [() => run(unary, [3, 3], { ...labels, iterations: -1 }), /iterations of at least 0/],
    ];
    for (const [call, message] of cases) expect(call).toThrow(message);
    const given = { images, labels: blocks(height, width, 3).expand([2, 1, height, width]), params: labels };
    const refined = (change: object) => () =>
      scope(() =>
        tensorCrfLabels({
          classes: [
            [0, 1, 2],
            [0, 1, 2],
          ],
          gtProb: 0.7,
          ...given,
          ...change,
        }),
      );
    expect(refined({ gtProb: 1 })).toThrow("between 0 and 1");
    expect(refined({ classes: [[0, 1, 300], [0]] })).toThrow("0..255");
    expect(refined({ labels: given.labels.to({ dtype: "float32" }) })).toThrow("uint8 labels");
  });

  it("takes fewer images at a time where all could not be numbered together", () => {
    const fine = { ...crfPresets.labels, bilateralSxy: 2 };
    const together = () => mostGroups([(width - 1) / 2, (height - 1) / 2, ...Array(3).fill(255 / fine.bilateralSrgb)]);
    while (together() > 1) fine.bilateralSrgb *= 0.95;
    expect(together()).toBe(1);
    expect(difference(energies(3), [3, 3], fine)).toBeLessThan(1e-3);
  });

  it.runIf(by === "kernels")(
    "has the vertices, weights and neighbours that operators find, but for the vertices' order",
    () => {
      const features = images
        .narrow(0, 0, 1)
        .reshape([height * width, 3])
        .to("float32")
        .div(8);
      const five = cat([features, features.narrow(1, 0, 2).mul(0.3)], 1).to({ device });
      const extents = [32, 32, 32, 10, 10];
      const shapes = (["operators", by] as const).map((means) =>
        scope(() => {
          const lattice = buildLattice({ features: five, extents, weight: 1, groups: 2, by: means });
          const [corners, , length] = lattice.neighbours.shape as [number, number, number];
          const missing = lattice.neighbours
            .eq(length - 1)
            .sum()
            .item();
          const impulse = zeros([1, height * width], { device });
          impulse.narrow(1, 99, 1).fill_(1);
          return {
            corners,
            length,
            missing,
            weights: lattice.weights.to({ device: "cpu" }),
            filtered: filter(lattice, impulse, means).to({ device: "cpu" }),
          };
        }),
      );
      const [wanted, got] = shapes as [(typeof shapes)[0], (typeof shapes)[0]];
      expect([got.corners, got.length, got.missing]).toEqual([wanted.corners, wanted.length, wanted.missing]);
      expect(wanted.length).toBeGreaterThan(1000);
      expect(got.weights.sub(wanted.weights).abs().max().item()).toBeLessThan(1e-5);
      expect(got.filtered.sub(wanted.filtered).abs().max().item()).toBeLessThan(1e-5);
    },
  );

  it("leaves no tensors behind, and refuses widths whose vertices cannot be numbered", () => {
    const unary = energies(3);
    const before = liveTensors();
    scope(() => {
      tensorCrf(images.to({ device }), unary.to({ device }), [3, 3], crfPresets.labels, by);
    });
    expect(liveTensors()).toBe(before);
    const tiny = { ...crfPresets.labels, bilateralSrgb: 0.01 };
    expect(() => scope(() => tensorCrf(images.to({ device }), unary.to({ device }), [3, 3], tiny, by))).toThrow(
      "not tiny",
    );
    expect(liveTensors()).toBe(before);
  });
});
