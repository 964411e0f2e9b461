import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ClassTable } from "../../src/data/types.ts";
import { type EvaluateOptions, evaluatePredictions } from "../../src/evaluation/evaluate.ts";
import { maskIds } from "../../src/evaluation/masks.ts";
import { SWEEP_THRESHOLDS } from "../../src/evaluation/threshold-sweep.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { writeNpz } from "../../src/formats/npz.ts";
import { writePrediction } from "../../src/inference/prediction-file.ts";

const ANIMALS: ClassTable = { ids: [0, 8, 12], names: ["background", "cat", "dog"] };
let root = "";

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "csrm-evaluate-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function save(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), bytes);
}

const labels = (width: number, data: number[]) =>
  encodeIndexedPng({ width, height: data.length / width, data: Uint8Array.from(data) });

const cams = (keys: number[], shape: number[], scores: number[]) =>
  writeNpz({
    keys: { data: BigInt64Array.from(keys, BigInt), shape: [keys.length] },
    cam: { data: Float32Array.from(scores), shape },
  });

const evaluate = (options: Partial<EvaluateOptions> & { at: string }) =>
  evaluatePredictions({
    predictions: join(root, options.at, "predictions"),
    masks: join(root, options.at, "masks"),
    ids: ["a", "b"],
    classes: ANIMALS,
    ...options,
  });

describe("evaluating label maps", () => {
  beforeAll(async () => {
    await save("labels/masks/a.png", labels(2, [0, 8, 255, 8]));
    await save("labels/masks/b.png", labels(2, [12, 12, 0, 0]));
    await save("labels/predictions/a.png", labels(2, [0, 8, 12, 255]));
    await save("labels/predictions/b.png", labels(1, [12, 0]));
  });

  it("counts dataset ids by the table's classes and resizes predictions of another size", async () => {
    const result = await evaluate({ at: "labels", split: "train", tta: "none", crf: true, label: "CSRM + dCRF" });
    expect(result.truth).toEqual([3, 2, 2]);
    expect(result.correct).toEqual([3, 1, 2]);
    expect(result.iou[1]).toBeCloseTo(0.5, 9);
    expect(result.miou).toBeCloseTo((1 + 0.5 + 1) / 3, 9);
    expect(result).toMatchObject({
      kind: "labels",
      count: 2,
      resized: 1,
      threshold: null,
      best: null,
      sweep: null,
      split: "train",
      tta: "none",
      crf: true,
      label: "CSRM + dCRF",
      names: ANIMALS.names,
      ids: ANIMALS.ids,
    });
  });

  it("gives the same result whatever the number of images read at once", async () => {
    const [one, many] = await Promise.all([1, 16].map((concurrency) => evaluate({ at: "labels", concurrency })));
    expect(one).toEqual(many);
  });

  it("names a missing prediction and how many there are", async () => {
    await expect(evaluate({ at: "labels", ids: ["a", "b", "c", "d"] })).rejects.toThrow(
      /no prediction for image c: expected .*c\.png; 2 of 4 images have none/,
    );
    await expect(evaluate({ at: "labels", ids: ["c"] })).rejects.toThrow(/c\.png or .*c\.npz or .*cams\/c\.npz/);
  });

  it("names a missing mask", async () => {
    await save("labels/predictions/e.png", labels(2, [0, 0, 0, 0]));
    await expect(evaluate({ at: "labels", ids: ["e"] })).rejects.toThrow(/masks\/e\.png/);
  });

  it("names file, value and place of an id that the class table lacks, on either side", async () => {
    await save("foreign/masks/a.png", labels(2, [0, 15, 15, 8]));
    await save("foreign/predictions/a.png", labels(2, [0, 8, 12, 0]));
    await save("foreign/masks/b.png", labels(2, [0, 8]));
    await save("foreign/predictions/b.png", labels(2, [0, 7]));
    await expect(evaluate({ at: "foreign", ids: ["a"] })).rejects.toThrow(
      /ids 0, 8, 12 or 255 in .*masks\/a\.png, got 15 \(2 pixels, the first at x=1, y=0\)/,
    );
    await expect(evaluate({ at: "foreign", ids: ["b"] })).rejects.toThrow(/predictions\/b\.png, got 7/);
  });

  it("refuses a threshold, an empty list and an image listed twice", async () => {
    await expect(evaluate({ at: "labels", threshold: 0.3 })).rejects.toThrow("only scores have one");
    await expect(evaluate({ at: "labels", ids: [] })).rejects.toThrow("at least one image");
    await expect(evaluate({ at: "labels", ids: ["a", "a"] })).rejects.toThrow("a twice");
  });

  it("checks masks against the photographs where these are given", async () => {
    for (const [name, width] of [
      ["a", 2],
      ["b", 3],
    ] as const) {
      const pixels = { create: { width, height: 2, channels: 3 as const, background: "#888" } };
      await save(`labels/images/${name}.jpg`, await sharp(pixels).jpeg().toBuffer());
    }
    const images = join(root, "labels/images");
    expect((await evaluate({ at: "labels", ids: ["a"], images })).count).toBe(1);
    await expect(evaluate({ at: "labels", images })).rejects.toThrow(/image's size, 3×2, for .*b\.png, got "2×2"/);
  });

  it("finds all masks of a folder, those in folders below included", async () => {
    await save("nested/masks/x/a.png", labels(1, [0]));
    await save("nested/masks/b.png", labels(1, [0]));
    expect(await maskIds(join(root, "nested/masks"))).toEqual(["b", "x/a"]);
    await expect(maskIds(join(root, "absent"))).rejects.toThrow("absent: no such file");
  });
});

describe("evaluating CAMs", () => {
  beforeAll(async () => {
    await save("cams/masks/a.png", labels(2, [0, 8, 0, 8]));
    await save("cams/masks/b.png", labels(2, [0, 0, 12, 255]));
    await save("cams/predictions/cams/a.npz", cams([0, 8], [1, 2, 2], [0.22, 0.6, 0.3, 0.6]));
    await save("cams/predictions/cams/b.npz", cams([0, 8, 12], [2, 1, 1], [0.1, 0.48]));
  });

  it("sweeps the threshold by default and takes the first best", async () => {
    const result = await evaluate({ at: "cams" });
    expect(result.sweep?.map((point) => point.threshold)).toEqual(SWEEP_THRESHOLDS);
    expect(result).toMatchObject({ kind: "cams", threshold: 0.3, threshold_from: "best on this split", resized: 1 });
    expect(result.best?.miou).toBe(result.miou);
    expect(result.correct).toEqual([2, 2, 1]);
  });

  it("applies a given threshold and shows the best one of this split beside it", async () => {
    const result = await evaluate({ at: "cams", threshold: 0.25, thresholdFrom: "best on train" });
    expect(result).toMatchObject({ threshold: 0.25, threshold_from: "best on train", best: { threshold: 0.3 } });
    expect(result.miou).toBeLessThan(result.best!.miou);
    expect((await evaluate({ at: "cams", threshold: 0.55 })).correct).toEqual([4, 2, 0]);
  });

  it("names the file of maps that do not fit", async () => {
    await save("bad/masks/a.png", labels(1, [0]));
    const bad = async (bytes: Uint8Array) => {
      await save("bad/predictions/a.npz", bytes);
      return evaluate({ at: "bad", ids: ["a"] });
    };
    await expect(bad(cams([0, 9], [1, 1, 1], [0]))).rejects.toThrow(/class ids 8, 12 for .*a\.npz, got 9/);
    await expect(bad(cams([0, 8], [2, 1, 1], [0, 0]))).rejects.toThrow(/one map for every id but 0 for .*a\.npz/);
    await expect(bad(cams([0, 8], [1, 1, 1], [Number.NaN]))).rejects.toThrow(/a\.npz: expected numbers in map 0/);
    await expect(bad(Uint8Array.of(1, 2, 3))).rejects.toThrow("a.npz");
  });
});

describe("evaluating what csrm predict keeps", () => {
  it("takes maps of the image's own size, not the kept quarter", async () => {
    const planes = (width: number, ...data: number[]) => ({
      data: Float32Array.from(data),
      planes: 1,
      height: 1,
      width,
    });
    await mkdir(join(root, "kept/predictions/cams"), { recursive: true });
    await writePrediction(join(root, "kept/predictions/cams/a.npz"), {
      keys: [0, 8],
      image: [1, 32],
      covered: [16, 32],
      // Says "cat" everywhere; the activations say it for the right half only.
      cams: planes(8, 1, 1, 1, 1, 1, 1, 1, 1),
      activations: [planes(2, 0, 1)],
      // The segmentation branch says it for the left half.
      probabilities: { data: Float32Array.of(0, 1, 1, 0), planes: 2, height: 1, width: 2 },
    });
    await save("kept/masks/a.png", labels(32, [...Array(16).fill(0), ...Array(16).fill(8)]));
    const result = await evaluate({ at: "kept", ids: ["a"], threshold: 0.5 });
    expect(result).toMatchObject({ resized: 0, correct: [16, 16, 0] });
    const branch = await evaluate({ at: "kept", ids: ["a"], threshold: 0.5, source: "segmentation" });
    expect(branch).toMatchObject({ resized: 0, correct: [0, 0, 0] });
  });

  it("refuses another source than activation maps where a file holds no other", async () => {
    await expect(evaluate({ at: "cams", source: "segmentation" })).rejects.toThrow(/\.npz.*activation_0/);
    await expect(evaluate({ at: "labels", source: "mean" })).rejects.toThrow("expected results of csrm predict");
  });
});
