/** The verification stage: networks from recipes, training on label maps without any mask, stopping and going on. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/types.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { labelMapLosses } from "../../src/losses/label-map.ts";
import { DEEPLAB_V2_MEAN_BGR, DeepLabV2 } from "../../src/models/deeplab-v2.ts";
import { deepLabV2Name, isCaffe } from "../../src/models/deeplab-v2-weights.ts";
import { openModel } from "../../src/models/model-file.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { buildSegmenter, inOrder, openSegmenter, saveSegmenter } from "../../src/models/segmenter.ts";
import { silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { liveTensors, loadTensors, ones, saveTensors, scope, tensor, zeros } from "../../src/torch/index.ts";
import { BatchNorm2d, withoutInit } from "../../src/torch/nn/index.ts";
import type { Recipe } from "../../src/training/config.ts";
import { normalise } from "../../src/training/network.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import type { StageOptions } from "../../src/training/stages.ts";
import { describeSegmenter, newSegmenter } from "../../src/training/verify-network.ts";
import { labelReader, verifyStage } from "../../src/training/verify-stage.ts";
import { fillInput, fillModule } from "../helpers/fill.ts";
import { temporaryFolder, tinyRecipe as tiny, tinyData } from "../helpers/tiny.ts";

let root: string;
let dataset: Dataset;
let labels: string;

/** One thread: the networks are too small for two, and other tests run beside this. */
const tinyRecipe = (folder: string, set: readonly string[] = []) => tiny(folder, ["threads=1", ...set]);

/** A label map of two classes and some unknown pixels, as a prediction might look. */
function map(first: number, second: number) {
  const data = Uint8Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 3 ? 255 : i < 2000 ? first : second));
  return encodeIndexedPng({ data, width: 64, height: 64 });
}

function options(recipe: Recipe, where = temporaryFolder("verify"), stop: () => boolean = () => false) {
  const stage = new Stage("verify", where);
  return { stage, recipe, dataset, labels, progress: silentProgress, stop } satisfies StageOptions & { labels: string };
}

beforeAll(async () => {
  root = await tinyData();
  // Masks are for evaluation only: everything below trains without any.
  rmSync(path.join(root, "SegmentationClass"), { recursive: true });
  const recipe = tinyRecipe(root);
  dataset = await openRecipeData(recipe, recipe.data.lists.train);
  labels = temporaryFolder("labels");
  for (const [i, { id }] of dataset.samples.entries())
    writeFileSync(path.join(labels, `${id}.png`), map(0, 1 + (i % 3)));
});

describe("the verify stage", () => {
  it("trains on label maps with all masks gone, and leaves a network that says what it is", async () => {
    const before = liveTensors();
    const { model, finished, steps } = await verifyStage(options(tinyRecipe(root)));
    expect([finished, steps]).toEqual([true, 3]);
    expect(liveTensors()).toBe(before);
    const { segmenter, info } = openSegmenter(model);
    expect(info).toMatchObject({ network: "deeplabv3plus", backbone: "resnet18", outputStride: 8, headChannels: 16 });
    expect(info.classes).toEqual(dataset.classes);
    expect(scope(() => segmenter.predict(zeros([1, 3, 64, 48])).shape)).toEqual([
      1,
      dataset.classes.ids.length,
      64,
      48,
    ]);
    segmenter.model.dispose();
    expect(() => openModel(model)).toThrow(/holds a verification network.*csrm verify uses it/);
  });

  it("ends bit by bit as without a break when stopped and gone on with", async () => {
    const recipe = tinyRecipe(root, ["verify.steps=4", "checkpoints.every_steps=2"]);
    const whole = await verifyStage(options(recipe));
    let asked = 0;
    const stopped = options(recipe, undefined, () => ++asked === 3);
    expect((await verifyStage(stopped)).finished).toBe(false);
    const rest = await verifyStage(options(recipe, stopped.stage.path));
    const [a, b] = [loadTensors(whole.model).tensors, loadTensors(rest.model).tensors];
    expect([...b.keys()]).toEqual([...a.keys()]);
    for (const [name, each] of a) expect([name, scope(() => b.get(name)!.eq(each).all().item())]).toEqual([name, 1]);
  });

  it("learns the label maps", async () => {
    const set = ["verify.steps=16", "verify.lr=0.003", "verify.flip=0", "verify.decay=constant"];
    const same = temporaryFolder("same");
    for (const { id } of dataset.samples) writeFileSync(path.join(same, `${id}.png`), map(0, 2));
    const { model } = await verifyStage({ ...options(tinyRecipe(root, set)), labels: same });
    const { segmenter, info } = openSegmenter(model);
    segmenter.model.eval();
    const { decodeImage } = await import("../../src/data/image.ts");
    const { segmentImage } = await import("../../src/inference/segment.ts");
    const settings = {
      scales: [1],
      flip: false,
      size: "original",
      crf: null,
      device: "cpu",
      precision: "fp32",
    } as const;
    const image = await decodeImage(dataset.samples[0]!.image);
    const { data } = segmentImage({ segmenter, info }, image, settings).labels;
    const right = data.filter((label, i) => label === (i < 2000 ? 0 : 2)).length;
    expect(right / data.length).toBeGreaterThan(0.8);
    segmenter.model.dispose();
  });

  it("names a label map that is missing, damaged, of another size or of a class that the recipe lacks", async () => {
    const [first] = dataset.samples;
    const broken = async (content: Uint8Array | string | null) => {
      const folder = temporaryFolder("broken");
      for (const { id } of dataset.samples.slice(1)) writeFileSync(path.join(folder, `${id}.png`), map(0, 1));
      if (content !== null) writeFileSync(path.join(folder, `${first!.id}.png`), content);
      return verifyStage({ ...options(tinyRecipe(root)), labels: folder });
    };
    await expect(broken(null)).rejects.toThrow(new RegExp(`cannot read .*${first!.id}.png: no such file`));
    await expect(broken("no PNG")).rejects.toThrow(`${first!.id}.png as a label map`);
    await expect(broken(map(0, 77))).rejects.toThrow(/expected label ids 0, 1, .*got 77/);
    const small = encodeIndexedPng({ data: new Uint8Array(4), width: 2, height: 2 });
    await expect(broken(small)).rejects.toThrow(/label map of the size of .*64×64, got 2×2/);
  });
});

it("label maps of dataset ids become channels of the network", async () => {
  const folder = temporaryFolder("ids");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    path.join(folder, "a.png"),
    encodeIndexedPng({ data: Uint8Array.of(0, 8, 15, 255), width: 4, height: 1 }),
  );
  const read = labelReader(folder, { ids: [0, 8, 15], names: ["background", "cat", "person"] });
  expect([...(await read("a")).data]).toEqual([0, 1, 2, 255]);
});

describe("a verification network", () => {
  it("keeps the batch normalisation of folded weights frozen, and refuses to train it", () => {
    const file = path.join(temporaryFolder("folded"), "folded.safetensors");
    const backbone = createBackbone("mobilenet_v2");
    backbone.apply((each) => {
      if (each instanceof BatchNorm2d)
        scope(() => void each.running_var.copy_(ones(each.running_var.shape).mul(1 - 1e-3)));
    });
    saveTensors(file, backbone.stateDict());
    backbone.dispose();
    const set = ["verify.backbone=mobilenet_v2", `verify.weights=${file}`, "verify.output_stride=16"];
    const frozen = tinyRecipe(root, [...set, "verify.batch_norm=frozen"]);
    const segmenter = newSegmenter(frozen, describeSegmenter(frozen, dataset.classes));
    const norms = [...segmenter.backbone.namedModules().values()].filter((each) => each instanceof BatchNorm2d);
    expect(norms.length).toBe(52);
    for (const each of norms) expect([each.usesRunningStatistics, each.weight.requiresGrad]).toEqual([true, false]);
    segmenter.model.dispose();
    const trained = tinyRecipe(root, set);
    expect(() => newSegmenter(trained, describeSegmenter(trained, dataset.classes))).toThrow(
      /expected verify\.batch_norm: frozen with .*folded\.safetensors, got train/,
    );
  });

  it("is DeepLabV2 with its own backbone and stride, on bytes in blue, green, red where its weights are the Caffe original's", () => {
    const file = (key: string) => {
      const name = path.join(temporaryFolder("caffe"), "weights.safetensors");
      saveTensors(name, new Map([[key, zeros([64, 3, 7, 7])]]));
      return name;
    };
    const info = (weights: string) =>
      describeSegmenter(tinyRecipe(root, ["verify.network=deeplabv2", `verify.weights=${weights}`]), dataset.classes);
    const [theirs, torchvision] = [file("module.base.layer1.conv1.conv.weight"), file("conv1.weight")];
    expect([isCaffe(theirs), isCaffe(torchvision)]).toEqual([true, false]);
    expect(info(torchvision)).toMatchObject({
      backbone: "resnet101",
      outputStride: 8,
      bgr: false,
      mean: [0.485, 0.456, 0.406],
    });
    const caffe = info(theirs);
    const pixels = tensor(Uint8Array.of(10, 20, 30), { shape: [1, 1, 1, 3] });
    const shown = scope(() => inOrder(normalise(pixels, caffe), caffe).toArray());
    const wanted = [30, 20, 10].map((value, i) => value - DEEPLAB_V2_MEAN_BGR[i]!);
    for (const [i, value] of shown.entries()) expect(value).toBeCloseTo(wanted[i]!, 3);
  });

  it("finds every tensor of torchvision's ResNet-101 a place of its shape in DeepLabV2", () => {
    const [from, to] = withoutInit(() => [createBackbone("resnet101"), new DeepLabV2({ classes: 3 })] as const);
    const places = new Map([...from.stateDict()].map(([key, { shape }]) => [deepLabV2Name(key), shape]));
    const wanted = [...to.stateDict()].filter(([key]) => !key.startsWith("aspp."));
    expect([...places.keys()].sort()).toEqual(wanted.map(([key]) => key).sort());
    for (const [key, { shape }] of wanted) expect([key, places.get(key)]).toEqual([key, shape]);
    for (const key of to.stateDict().keys()) expect(deepLabV2Name(`module.base.${key}`)).toBe(key);
    from.dispose();
    to.dispose();
  });

  it("freezes DeepLabV2 by its own stages", () => {
    const recipe = tinyRecipe(root, [
      "verify.network=deeplabv2",
      "verify.freeze=all_but_last",
      "verify.batch_norm=frozen",
    ]);
    const segmenter = withoutInit(() => newSegmenter(recipe, describeSegmenter(recipe, dataset.classes)));
    const learning = [...segmenter.model.namedParameters()]
      .filter(([, each]) => each.requiresGrad)
      .map(([name]) => name);
    expect(new Set(learning.map((name) => name.split(".")[1]))).toEqual(new Set(["layer5", "aspp"]));
    expect(learning.some((name) => name.includes(".bn."))).toBe(false);
    segmenter.model.dispose();
  });

  it("is a DeepLabV2 whose every part learns from the four losses, but for its batch normalisation", () => {
    const recipe = tinyRecipe(root, ["verify.network=deeplabv2", "verify.batch_norm=frozen", "precision=fp32"]);
    const segmenter = withoutInit(() => newSegmenter(recipe, describeSegmenter(recipe, dataset.classes)));
    fillModule(segmenter.model);
    const learning = [...segmenter.model.namedParameters()].filter(([, each]) => each.requiresGrad);
    expect(learning).toHaveLength(104 + 8); // convolutions, and weights and biases of four classifiers
    const looks = segmenter.looks(fillInput("input:verify", [1, 3, 49, 65]));
    expect(looks.map((each) => each.shape.slice(2))).toEqual([
      [7, 9],
      [4, 5],
      [5, 7],
      [7, 9],
    ]);
    const labels = tensor(
      Uint8Array.from({ length: 49 * 65 }, (_, i) => i % 8),
      { shape: [1, 49, 65] },
    );
    const losses = labelMapLosses(looks, labels, { at: segmenter.lossAt });
    losses.reduce((sum, each) => sum.add(each)).backward();
    for (const [name, each] of learning) {
      const size = each.grad!.abs().sum().item();
      expect([name, size > 0 && Number.isFinite(size)]).toEqual([name, true]);
    }
    segmenter.model.dispose();
  });

  it("says what is wrong with a file that is none", () => {
    const file = path.join(temporaryFolder("none"), "none.safetensors");
    saveTensors(file, new Map([["a", zeros([1])]]));
    expect(() => openSegmenter(file)).toThrow(/does not say that it holds a verification network/);
    const info = describeSegmenter(tinyRecipe(root), dataset.classes);
    const segmenter = withoutInit(() => buildSegmenter(info));
    saveSegmenter(file, segmenter, { ...info, headChannels: 32 });
    expect(() => openSegmenter(file)).toThrow(/none\.safetensors: the state dict does not fit the network/);
    saveTensors(file, new Map([["a", zeros([1])]]), { csrm_segmenter: "{}" });
    expect(() => openSegmenter(file)).toThrow(/not one of a verification network/);
    segmenter.model.dispose();
  });
});
