/** A list of photographs through the predict stage: files, resuming, skips, bad input. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/types.ts";
import { camMapsOf, readCams } from "../../src/evaluation/predictions.ts";
import { readFileBytes } from "../../src/files.ts";
import { decodePng } from "../../src/formats/indexed-png.ts";
import { vocPalette } from "../../src/formats/palette.ts";
import { writeLabels } from "../../src/inference/label-stage.ts";
import { augmentationText, type PredictSettings, predictSettings } from "../../src/inference/predict-settings.ts";
import { predictCams } from "../../src/inference/predict-stage.ts";
import { readPrediction } from "../../src/inference/prediction-file.ts";
import { labelMapOf } from "../../src/inference/pseudo-labels.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { saveTensors } from "../../src/torch/index.ts";
import { loadRecipe } from "../../src/training/config.ts";
import { classes, pictureSet, temporaryFolder, tinyModelFile, tinyNetwork } from "./tiny.ts";

const settings: PredictSettings = {
  scales: [1],
  flip: false,
  source: "cam",
  size: "original",
  device: "cpu",
  precision: "fp32",
  tags: "known",
};

const tagged = { a: ["cat"], "sub/b": ["cat", "dog"], c: [], d: null } as const;

async function scene(kind: "csrm" | "classifier" = "csrm") {
  const root = temporaryFolder();
  return {
    root,
    out: join(root, "out"),
    model: tinyModelFile(kind),
    dataset: await pictureSet(join(root, "images"), tagged),
  };
}

async function labelsIn(file: string) {
  return decodePng(await readFileBytes(file), file);
}

describe("predicting a list", () => {
  it("writes activation maps that the evaluation reads, with dataset ids as keys", async () => {
    const { dataset, ...paths } = await scene();
    const summary = await predictCams({ ...paths, dataset, settings });
    expect(summary).toMatchObject({ ids: ["a", "sub/b", "c", "d"], skipped: [], resumed: 0, predicted_tags: 1 });
    const file = join(paths.out, "cams/sub/b.npz");
    const cams = await readCams(file);
    expect(cams).toMatchObject({ ids: [8, 12], width: 13, height: 10 });
    expect(camMapsOf(cams, classes, file).classes).toEqual([1, 3]);
    expect((await readCams(join(paths.out, "cams/c.npz"))).ids).toEqual([]);
    expect((await readCams(join(paths.out, "cams/d.npz"))).ids.length).toBeGreaterThan(0);
  });

  it("takes the tags as they are, those that the classifier sees, or every class", async () => {
    const { dataset, out, ...paths } = await scene();
    const keysOf = async (tags: PredictSettings["tags"]) => {
      const folder = join(out, tags);
      await predictCams({ ...paths, dataset, out: folder, settings: { ...settings, tags } });
      const files = dataset.samples.map(({ id }) => readPrediction(join(folder, `cams/${id}.npz`)));
      return (await Promise.all(files)).map(({ keys }) => keys);
    };
    const [known, predicted, all] = [await keysOf("known"), await keysOf("predicted"), await keysOf("all")];
    expect(known.slice(0, 3)).toEqual([[0, 8], [0, 8, 12], [0]]);
    expect(known[3]).toEqual(predicted[3]);
    expect(predicted.every((keys) => keys.length > 1)).toBe(true);
    expect(all).toEqual(dataset.samples.map(() => classes.ids));
  });

  it("skips images that cannot be decoded and says which, or stops at them when strict", async () => {
    const { dataset, ...paths } = await scene();
    writeFileSync(dataset.samples[1]!.image, "no picture");
    dataset.samples[2]!.image = join(paths.root, "gone.png");
    const { ids, skipped } = await predictCams({ ...paths, dataset, settings });
    expect(ids).toEqual(["a", "d"]);
    expect(skipped.map(({ id }) => id)).toEqual(["sub/b", "c"]);
    expect(skipped[0]!.reason).toContain("sub/b.png");
    expect(skipped[1]!.reason).toContain("no such file");
    expect(existsSync(join(paths.out, "cams/sub/b.npz"))).toBe(false);
    await expect(predictCams({ ...paths, dataset, settings, strict: true })).rejects.toThrow("sub/b.png");
  });
});

describe("predicting again", () => {
  it("does nothing for images that are done", async () => {
    const { dataset, ...paths } = await scene();
    await predictCams({ ...paths, dataset, settings });
    const times = () => dataset.samples.map(({ id }) => statSync(join(paths.out, `cams/${id}.npz`)).mtimeMs);
    const before = times();
    expect(await predictCams({ ...paths, dataset, settings })).toMatchObject({ resumed: 4 });
    expect(times()).toEqual(before);
  });

  it("does images whose tags were corrected anew, and new ones", async () => {
    const { dataset, ...paths } = await scene();
    const before: Dataset = { ...dataset, samples: dataset.samples.slice(0, 2) };
    await predictCams({ ...paths, dataset: before, settings });
    dataset.samples[0]!.tags = Uint8Array.of(0, 1, 0);
    expect(await predictCams({ ...paths, dataset, settings })).toMatchObject({ resumed: 1 });
    expect((await readPrediction(join(paths.out, "cams/a.npz"))).keys).toEqual([0, 10]);
  });

  it("with other settings is an error that shows the difference; fresh keeps the old results aside", async () => {
    const { dataset, ...paths } = await scene();
    await predictCams({ ...paths, dataset, settings });
    const others = { ...settings, flip: true };
    await expect(predictCams({ ...paths, dataset, settings: others })).rejects.toThrow(/flip: false → true\n.*--fresh/);
    const notes: string[] = [];
    const progress = { note: (text: string) => void notes.push(text), task: () => quiet };
    const summary = await predictCams({ ...paths, dataset, settings: others, fresh: true, progress });
    expect(summary.resumed).toBe(0);
    expect(readdirSync(paths.out).sort()).toEqual(["cams", "cams.old"]);
    expect(notes).toEqual([`kept the old results as ${join(paths.out, "cams.old")}`]);
  });

  it("does not take results of another meaning of the segmentation branch for its own", async () => {
    const { dataset, ...paths } = await scene();
    const wanted: PredictSettings = { ...settings, source: "segmentation" };
    await predictCams({ ...paths, dataset, settings: wanted });
    const file = join(paths.out, "cams/settings.json");
    const { segmentation, ...older } = JSON.parse(readFileSync(file, "utf8"));
    expect(segmentation).toBe(2);
    writeFileSync(file, JSON.stringify(older));
    await expect(predictCams({ ...paths, dataset, settings: wanted })).rejects.toThrow(/segmentation: .* → 2/);
    expect(await predictCams({ ...paths, dataset, settings: wanted, fresh: "if-other" })).toMatchObject({ resumed: 0 });
  });

  it("does not touch a folder with files of other origin", async () => {
    const { dataset, ...paths } = await scene();
    mkdirSync(join(paths.out, "cams"), { recursive: true });
    writeFileSync(join(paths.out, "cams/letter.txt"), "mine");
    for (const fresh of [false, true]) {
      const work = predictCams({ ...paths, dataset, settings, fresh });
      await expect(work).rejects.toThrow(/holds files \(letter\.txt\) but no settings\.json/);
    }
    expect(readdirSync(join(paths.out, "cams"))).toEqual(["letter.txt"]);
  });
});

const quiet = { update() {}, finish() {}, [Symbol.dispose]() {} };

describe("label maps", () => {
  it.each(["cam", "segmentation", "mean"] as const)(
    "from source %s are indexed PNGs of dataset ids in the image's size",
    async (source) => {
      const { dataset, ...paths } = await scene();
      const { ids } = await predictCams({ ...paths, dataset, settings: { ...settings, source } });
      const { dir } = await writeLabels({ out: paths.out, ids, threshold: 0.4 });
      expect(dir).toBe(join(paths.out, "pseudo"));
      const png = await labelsIn(join(dir, "sub/b.png"));
      expect(png).toMatchObject({ width: 50, height: 37, colour: "palette", palette: vocPalette() });
      const prediction = await readPrediction(join(paths.out, "cams/sub/b.npz"));
      expect(png.data).toEqual(labelMapOf(prediction, { source, threshold: 0.4 }).data);
      expect([...new Set(png.data)].every((id) => [0, 8, 12].includes(id))).toBe(true);
      expect((await labelsIn(join(dir, "c.png"))).data).toEqual(new Uint8Array(50 * 37));
    },
  );

  it("are made once, and anew where the prediction is newer", async () => {
    const { dataset, ...paths } = await scene();
    const { ids } = await predictCams({ ...paths, dataset, settings });
    const options = { out: paths.out, ids, threshold: 0.4 };
    expect(await writeLabels(options)).toMatchObject({ resumed: 0 });
    expect(await writeLabels(options)).toMatchObject({ resumed: 4 });
    dataset.samples[0]!.tags = Uint8Array.of(0, 1, 0);
    await predictCams({ ...paths, dataset, settings });
    expect(await writeLabels(options)).toMatchObject({ resumed: 3 });
    expect([...new Set((await labelsIn(join(paths.out, "pseudo/a.png"))).data)]).toContain(10);
  });

  it("at another threshold in the same folder are an error", async () => {
    const { dataset, ...paths } = await scene();
    const { ids } = await predictCams({ ...paths, dataset, settings });
    await writeLabels({ out: paths.out, ids, threshold: 0.4 });
    await expect(writeLabels({ out: paths.out, ids, threshold: 0.3 })).rejects.toThrow("threshold: 0.4 → 0.3");
    await writeLabels({ out: paths.out, ids, threshold: 0.3, fresh: true });
    await expect(writeLabels({ out: paths.out, ids, threshold: 40, fresh: true })).rejects.toThrow("0..1");
  });

  it("cannot be made where nothing was predicted", async () => {
    const out = temporaryFolder();
    await expect(writeLabels({ out, ids: ["a"], threshold: 0.4 })).rejects.toThrow(
      `results of csrm predict for the label maps, got "${out}"`,
    );
  });
});

describe("a network", () => {
  it("of other classes is an error that shows both", async () => {
    const { dataset, ...paths } = await scene();
    const other: Dataset = { ...dataset, classes: { ids: [0, 1, 2, 3], names: ["background", "x", "y", "z"] } };
    await expect(predictCams({ ...paths, dataset: other, settings })).rejects.toThrow(
      /1 x, 2 y, 3 z.*8 cat, 10 cow, 12 dog/,
    );
    expect(existsSync(paths.out)).toBe(false);
  });

  it("that is a classifier has no segmentation branch", async () => {
    const { dataset, ...paths } = await scene("classifier");
    const wanted: PredictSettings = { ...settings, source: "segmentation" };
    await expect(predictCams({ ...paths, dataset, settings: wanted })).rejects.toThrow(
      "classifier without segmentation branch",
    );
    await predictCams({ ...paths, dataset, settings });
  });

  it("file that is missing, no network, or another architecture is an error naming it", async () => {
    const { dataset, ...paths } = await scene();
    const model = join(paths.root, "other.safetensors");
    await expect(predictCams({ ...paths, model, dataset, settings })).rejects.toThrow(
      `cannot read ${model}: no such file`,
    );
    saveTensors(model, new Map(), {});
    await expect(predictCams({ ...paths, model, dataset, settings })).rejects.toThrow(
      `${model} holds tensors but does not say`,
    );
    const { model: network, info } = tinyNetwork("csrm");
    saveModel(model, network, { ...info, backbone: "resnet18" });
    await expect(predictCams({ ...paths, model, dataset, settings })).rejects.toThrow(
      /other\.safetensors: .*layer1\.0\.conv1\.weight/s,
    );
    writeFileSync(model, "not tensors");
    await expect(predictCams({ ...paths, model, dataset, settings })).rejects.toThrow(model);
  });

  it("gets at least one image", async () => {
    const { dataset, ...paths } = await scene();
    await expect(predictCams({ ...paths, dataset: { ...dataset, samples: [] }, settings })).rejects.toThrow(
      "at least one image",
    );
  });
});

describe("a damaged prediction", () => {
  it("is an error naming the file", async () => {
    const { dataset, ...paths } = await scene();
    const { ids } = await predictCams({ ...paths, dataset, settings });
    const file = join(paths.out, "cams/a.npz");
    writeFileSync(file, (await readFileBytes(file)).subarray(0, 200));
    await expect(writeLabels({ out: paths.out, ids, threshold: 0.4 })).rejects.toThrow(file);
  });
});

describe("a recipe's settings", () => {
  it("take the training size where it says so", () => {
    const recipe = loadRecipe("toy", { set: ["predict.size=training", "data.size=[96,128]", "precision=fp32"] });
    expect(predictSettings(recipe)).toMatchObject({ size: [96, 128], precision: "fp32", device: "cpu" });
  });

  it("are told in words", () => {
    expect(augmentationText({ scales: [0.5, 1], flip: true })).toBe("scales 0.5, 1 and flip");
    expect(augmentationText({ scales: [1], flip: true })).toBe("flip");
    expect(augmentationText({ scales: [1], flip: false })).toBe("none");
  });
});
