import { describe, expect, it } from "vitest";
import { type CrfParams, crfPresets } from "../../src/refine/crf-params.ts";
import { denseCrf, denseCrfLabels } from "../../src/refine/dense-crf.ts";
import { unaryFromLabels, unaryFromSoftmax } from "../../src/refine/unaries.ts";
import { fromTypedArray, scope, type Tensor } from "../../src/torch/index.ts";
import { readPixels, runLengths } from "../helpers/crf.ts";
import { type Golden, readGolden, recordDeviation } from "../helpers/golden.ts";

/** Flat indices at which the labels differ. */
function mismatches(labels: Tensor, wanted: readonly number[]): number[] {
  return labels.toArray().flatMap((label, i) => (label === wanted[i] ? [] : [i]));
}

describe("on the 6 × 8 image of formulas, as pydensecrf has it", () => {
  const [height, width] = [6, 8];
  const image = new Uint8Array(height * width * 3);
  const labels = new Uint8Array(height * width);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      labels[i] = (Math.floor(x / 3) + Math.floor(y / 2)) % 3;
      for (let c = 0; c < 3; c++) image[i * 3 + c] = (37 * y + 23 * x + 91 * c + 11 * x * y) % 256;
    }
  }
  const images = fromTypedArray(image, [1, height, width, 3]);
  const run = (params: CrfParams) => {
    const unary = unaryFromLabels(fromTypedArray(labels, [1, height, width]), { labelCount: 3 });
    return denseCrf({ images, unary, params });
  };
  const numbers = (text: string) => text.trim().split(/\s+/).map(Number);
  const expectQ = (q: Tensor, text: string) => {
    const got = q.select(1, 0).toArray();
    for (const [i, wanted] of numbers(text).entries()) expect(Math.abs(got[i]! - wanted)).toBeLessThan(5e-5);
  };
  const expectArgmax = (q: Tensor, rows: string) =>
    expect(q.argmax(1).toArray().join("")).toBe(rows.replaceAll(" / ", ""));

  it("one iteration for labels", () => {
    expectQ(
      run({ ...crfPresets.labels, iterations: 1 }),
      `.998497 .550020 .985946 .053221 .235478 .000737 .013176 .403695
       .858133 .899571 .830644 .009033 .000800 .005552 .198406 .005221
       .001605 .000930 .265943 .008922 .000883 .023645 .948531 .963470
       .000815 .000882 .004774 .049391 .002074 .079236 .997653 .995472
       .000831 .002813 .012053 .881339 .931822 .990381 .157214 .189226
       .001032 .000783 .018567 .893908 .847265 .998360 .003097 .004478`,
    );
  });

  it("ten iterations for labels", () => {
    const q = run(crfPresets.labels);
    expectQ(
      q,
      `.999986 .000187 .999342 .014037 .999826 .000013 .006018 .999873
       .999989 .886589 .999988 .000310 .000014 .000030 .999901 .000058
       .000035 .000015 .999846 .000310 .000021 .024050 .999429 .999969
       .000010 .000013 .000321 .000011 .000100 .913195 .999986 .999986
       .000010 .000109 .000034 .999988 .999982 .999752 .999779 .999884
       .000015 .000010 .004116 .999993 .999990 .999991 .000056 .000414`,
    );
    expectArgmax(q, "02010110 / 00011102 / 11012200 / 11122000 / 22200000 / 22200011");
  });

  it("ten iterations with DeepLab's parameters", () => {
    const q = run(crfPresets.dlv2);
    expectQ(
      q,
      `.999263 .971464 .990491 .003560 .017436 .000721 .007190 .040449
       .998253 .964670 .111067 .002546 .000657 .003409 .102382 .001386
       .001612 .001262 .068187 .005943 .001135 .004337 .987004 .968536
       .000644 .000815 .001661 .081732 .002231 .146826 .997882 .998266
       .000561 .000586 .002658 .891931 .960154 .997881 .931376 .007607
       .000319 .000400 .002804 .954045 .970833 .998476 .006135 .001212`,
    );
    expectArgmax(q, "00011122 / 00111122 / 11122200 / 11122200 / 22200001 / 22200011");
  });
});

interface Case {
  image: string;
  size_hw: [number, number];
  n_labels: number;
  kind: "labels" | "probs";
  labels?: string;
  probs?: string;
  gt_prob?: number;
  unary_sample: Golden;
  runs: {
    params: keyof typeof crfPresets;
    iterations: number;
    q: Golden;
    argmax_rle: number[];
    ambiguous_pixels: number[];
  }[];
}

describe("on pydensecrf's own results", () => {
  const { cases } = readGolden<{ cases: Record<string, Case> }>("07-dcrf");

  async function load(c: Case) {
    const [height, width] = c.size_hw;
    const images = fromTypedArray((await readPixels(c.image)).data, [1, height, width, 3]);
    if (c.kind === "labels") {
      const labels = fromTypedArray((await readPixels(c.labels!)).data, [1, height, width]);
      return { images, labels, unary: unaryFromLabels(labels, { labelCount: c.n_labels, gtProb: c.gt_prob! }) };
    }
    const bytes = fromTypedArray((await readPixels(c.probs!)).data, [1, c.n_labels, height, width]);
    const scores = bytes.to("float64").add(1);
    return { images, labels: null, unary: unaryFromSoftmax(scores.div(scores.sum(1, true))).float() };
  }

  const compare = (values: readonly number[], golden: Golden, tolerance: number) => {
    const indices = golden.idx ?? golden.data!.keys();
    const wanted = golden.val ?? golden.data!;
    const worst = Math.max(...[...indices].map((i, k) => Math.abs(values[i]! - wanted[k]!)));
    recordDeviation(`within ${tolerance}`, worst);
    expect(worst).toBeLessThan(tolerance);
  };

  it.each(Object.keys(cases))("%s: unaries, Q within 1e-3 and the same labels", async (name) => {
    const c = cases[name]!;
    const { images, labels, unary } = await load(c);
    compare(unary.toArray(), c.unary_sample, 1e-6);
    for (const run of c.runs) {
      const params = { ...crfPresets[run.params], iterations: run.iterations };
      const wanted = runLengths(run.argmax_rle);
      const excused = new Set(run.ambiguous_pixels);
      scope(() => {
        const q = denseCrf({ images, unary, params });
        compare(q.toArray(), run.q, 1e-3);
        expect(mismatches(q.argmax(1), wanted).filter((i) => !excused.has(i))).toEqual([]);
        if (labels === null) return;
        const refined = denseCrfLabels({ images, labels, classes: c.n_labels, gtProb: c.gt_prob!, params });
        expect(mismatches(refined, wanted).filter((i) => !excused.has(i))).toEqual([]);
      });
    }
  });
});

it("two-threshold labelings give the pseudo-labels of the public code", async () => {
  const golden = readGolden<{
    crf_images: string[];
    size_hw: [number, number];
    labels: { data: number[] };
    cases: Record<"fg_only_labeling" | "bg_only_labeling" | "expected" | "ambiguous_pixels", number[][]>[];
  }>("06-pseudo-labels");
  const [height, width] = golden.size_hw;
  const count = golden.crf_images.length;
  const pixels = await Promise.all(golden.crf_images.map(async (file) => (await readPixels(file)).data));
  const images = fromTypedArray(new Uint8Array(pixels.flatMap((data) => [...data])), [count, height, width, 3]);
  const tags = golden.labels.data;
  const classes = pixels.map((_, b) => [
    0,
    ...[...Array(tags.length / count).keys()].filter((k) => tags[(b * tags.length) / count + k]).map((k) => k + 1),
  ]);
  for (const c of golden.cases) {
    const maps = classes.flatMap((ids, b) =>
      [c.fg_only_labeling[b]!, c.bg_only_labeling[b]!].flatMap((list) => runLengths(list).map((local) => ids[local]!)),
    );
    const labels = fromTypedArray(Uint8Array.from(maps), [count, 2, height, width]);
    const refined = denseCrfLabels({ images, labels, classes });
    for (let b = 0; b < count; b++) {
      const [foreground, background] = [0, 1].map((u) => refined.select(0, b).select(0, u).toArray());
      const merged = foreground!.map((f, i) => f || (background![i] === 0 ? 0 : 255));
      const wanted = runLengths(c.expected[b]!);
      const wrong = merged.flatMap((label, i) => (label === wanted[i] ? [] : [i]));
      expect(wrong.filter((i) => !c.ambiguous_pixels[b]!.includes(i))).toEqual([]);
    }
  }
});
