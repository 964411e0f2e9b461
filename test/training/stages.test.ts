import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { EpochOrder } from "../../src/data/epoch-order.ts";
import type { Dataset } from "../../src/data/types.ts";
import { encodeTorchFile } from "../../src/formats/torch-writer.ts";
import { modelInfo, openModel } from "../../src/models/model-file.ts";
import { silentProgress } from "../../src/progress.ts";
import { Stage, type StageName } from "../../src/run-stage.ts";
import { liveTensors, loadTensors, type Tensor } from "../../src/torch/index.ts";
import { readCheckpoint } from "../../src/training/checkpoint.ts";
import type { Recipe } from "../../src/training/config.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, type StageOptions, trainStage } from "../../src/training/stages.ts";
import { puzzleNames, storedFrom } from "../helpers/stored.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";

let root: string;
let dataset: Dataset;
let start: string;

function stage(name: StageName, folder = temporaryFolder(name)): Stage {
  return new Stage(name, folder);
}

function options(where: Stage, recipe: Recipe, stop: () => boolean = () => false): StageOptions {
  return { stage: where, recipe, dataset, progress: silentProgress, stop };
}

/** Says stop after n steps. */
function afterSteps(n: number): () => boolean {
  let asked = 0;
  return () => ++asked >= n;
}

function sameTensors(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): void {
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  for (const [name, tensor] of a) {
    expect(
      Buffer.from(tensor.toTypedArray().buffer).equals(Buffer.from(b.get(name)!.toTypedArray().buffer)),
      name,
    ).toBe(true);
  }
}

beforeAll(async () => {
  root = await tinyData();
  // Masks are for evaluation only: everything below trains without any.
  rmSync(path.join(root, "SegmentationClass"), { recursive: true });
  const recipe = tinyRecipe(root);
  dataset = await openRecipeData(recipe, recipe.data.lists.train);
  start = (await pretrainStage(options(stage("pretrain"), recipe))).model;
});

describe("the training stages", () => {
  it("train without masks and leave a network that says what it is", async () => {
    const where = stage("train");
    const result = await trainStage({ ...options(where, tinyRecipe(root)), start });
    expect(result.finished).toBe(true);
    const info = modelInfo(result.model);
    expect(info.kind).toBe("csrm");
    expect(info.classes.names).toEqual(dataset.classes.names);
    const { model } = openModel(result.model);
    const teacher = readCheckpoint(path.join(where.checkpoints, "last.safetensors"), "train").tensors.teacher!;
    sameTensors(model.stateDict(), teacher);
  });

  it("begin with a start classifier of another program as with ours, and say what it does not tell", async () => {
    const recipe = tinyRecipe(root, ["schedule={steps: 2, warmup_steps: 1}"]);
    const foreign = path.join(temporaryFolder("foreign"), "puzzle-cam.pth");
    writeFileSync(foreign, Buffer.concat(encodeTorchFile(storedFrom(loadTensors(start).tensors, puzzleNames))));
    const notes: string[] = [];
    const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
    const theirs = await trainStage({ ...options(stage("train"), recipe), progress, start: foreign });
    const ours = await trainStage({ ...options(stage("train"), recipe), start });
    sameTensors(loadTensors(theirs.model).tensors, loadTensors(ours.model).tensors);
    expect(notes[0]).toContain("puzzle-cam.pth does not say what its classes are");
    expect(notes[0]).toContain(`${dataset.classes.names.slice(1).join(", ")} in this order`);
  });

  it("average the statistics of batch normalisation that learns, whatever the teacher sees itself", async () => {
    const where = stage("train");
    const set = ["model.batch_norm=train", "checkpoints={every_steps: 1, keep: 1}"];
    const recipe = tinyRecipe(root, [...set, "schedule={steps: 2, warmup_steps: 1}"]);
    await trainStage({ ...options(where, recipe), start });
    const key = "backbone.bn1.running_mean";
    const [before, after] = [1, 2].map(
      (step) => readCheckpoint(path.join(where.checkpoints, `step-${step}.safetensors`), "train").tensors,
    );
    const [was, is, teacher] = [before!.student!, after!.student!, after!.teacher!].map(
      (state) => state.get(key)!.toArray() as number[],
    );
    for (const [i, value] of teacher!.entries()) expect(value).toBeCloseTo((was![i]! + is![i]!) / 2, 5);
  });

  it("learn from images with tags alone, but show the others to the consistency loss", async () => {
    const samples = dataset.samples.map((sample, i) => (i < 3 ? sample : { ...sample, tags: null }));
    const few = { ...dataset, samples };
    const logged = (where: Stage) =>
      readFileSync(where.metricsFile, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).losses);
    const recipe = tinyRecipe(root, ["pretrain.epochs=4", "pretrain.batch=1", "batch.labelled=1"]);
    const [first, second] = [stage("pretrain"), stage("train")];
    const { model } = await pretrainStage({ ...options(first, recipe), dataset: few });
    await trainStage({ ...options(second, recipe), dataset: few, start: model });
    for (const losses of [...logged(first), ...logged(second)]) expect(losses.classification).toBeGreaterThan(0);
    const none = { ...dataset, samples: samples.slice(3) };
    await expect(pretrainStage({ ...options(stage("pretrain"), recipe), dataset: none })).rejects.toThrow(/has a tag/);
  });

  it("refuse to go on with other classes than they began with, of the same number", async () => {
    const where = stage("pretrain");
    await pretrainStage(options(where, tinyRecipe(root), afterSteps(1)));
    const names = dataset.classes.names.map((name) => (name === "truck" ? "ant" : name));
    const other = { ...dataset, classes: { ...dataset.classes, names } };
    await expect(pretrainStage({ ...options(where, tinyRecipe(root)), dataset: other })).rejects.toThrow(
      /there were 7 truck, now there are 7 ant; .*--fresh/,
    );
  });

  it("refuse a checkpoint to predict with that will be gone by then", async () => {
    const recipe = tinyRecipe(root, ["predict.checkpoint=step-2", "checkpoints={every_steps: 2, keep: 1}"]);
    const work = trainStage({ ...options(stage("train"), recipe), start });
    await expect(work).rejects.toThrow(/expected last or one of step-4, step-6 for predict.checkpoint, got "step-2"/);
  });

  it("refuse a start that was trained on images normalised otherwise", async () => {
    const recipe = tinyRecipe(root, ["data.mean=[0.5, 0.5, 0.5]"]);
    const work = trainStage({ ...options(stage("train"), recipe), start });
    await expect(work).rejects.toThrow(/expected data.mean 0.5, 0.5, 0.5 .*got \[0.485/);
  });

  it("go on after a stop bit by bit as if there had been none", async () => {
    const recipe = tinyRecipe(root);
    const straight = stage("train");
    await trainStage({ ...options(straight, recipe), start });
    const resumed = stage("train");
    const first = await trainStage({ ...options(resumed, recipe, afterSteps(4)), start });
    expect(first.finished).toBe(false);
    await trainStage({ ...options(resumed, recipe), start });
    const [a, b] = [straight, resumed].map((s) =>
      readCheckpoint(path.join(s.checkpoints, "last.safetensors"), "train"),
    );
    expect(a!.step).toBe(b!.step);
    for (const group of Object.keys(a!.tensors)) sameTensors(a!.tensors[group]!, b!.tensors[group]!);
    expect({ ...a!.state, seconds: 0 }).toEqual({ ...b!.state, seconds: 0 });
  });

  it("do the same for the start classifier, its probe included", async () => {
    const recipe = tinyRecipe(root, ["pretrain.epochs=2", "pretrain.probe.epochs=1"]);
    const straight = await pretrainStage(options(stage("pretrain"), recipe));
    const where = stage("pretrain");
    await pretrainStage(options(where, recipe, afterSteps(2)));
    const resumed = await pretrainStage(options(where, recipe));
    sameTensors(loadTensors(straight.model).tensors, loadTensors(resumed.model).tensors);
  });

  it("stop with an error that names loss and step when a loss is not finite, and keep the last good checkpoint", async () => {
    const where = stage("train");
    const recipe = tinyRecipe(root, [
      "optimizer.lr=1e30",
      "optimizer.lr_scratch=1e30",
      "optimizer.clip_norm=null",
      "checkpoints.every_steps=1",
    ]);
    await expect(trainStage({ ...options(where, recipe), start })).rejects.toThrow(
      /training stopped at step \d+: .*(NaN|Infinity).*lower learning rate/,
    );
    const last = readCheckpoint(path.join(where.checkpoints, "last.safetensors"), "train");
    expect(last.step).toBeGreaterThan(0);
  });

  it("refuse a start of another architecture, an absent one, and images without any tag", async () => {
    const other = tinyRecipe(root, ["model.backbone=mobilenet_v2"]);
    await expect(trainStage({ ...options(stage("train"), other), start })).rejects.toThrow(
      /expected backbone mobilenet_v2 .*resnet18.*another architecture/,
    );
    const absent = path.join(root, "absent.safetensors");
    await expect(trainStage({ ...options(stage("train"), tinyRecipe(root)), start: absent })).rejects.toThrow(
      /absent\.safetensors/,
    );
    const untagged = { ...dataset, samples: dataset.samples.map((sample) => ({ ...sample, tags: null })) };
    await expect(pretrainStage({ ...options(stage("pretrain"), tinyRecipe(root)), dataset: untagged })).rejects.toThrow(
      /none of the 12 images .* has a tag/,
    );
  });

  it("tell once of every image that cannot be read, whichever half met it first, and of a warm-up without an end", async () => {
    const notes: string[] = [];
    const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
    // The unlabelled half begins with one of them; the labelled half meets the other in its second step.
    const broken = [new EpochOrder(12, 1), new EpochOrder(12, 0)].map((order, i) =>
      order.sampleAt({ epoch: 0, position: 2 * i }),
    );
    const samples = dataset.samples.map((sample, i) =>
      broken.includes(i) ? { ...sample, image: `${sample.image}-absent` } : sample,
    );
    const recipe = tinyRecipe(root, ["data.size=[32, 32]", "schedule.steps=6", "schedule.warmup_steps=6"]);
    const where = options(stage("train"), recipe);
    await trainStage({ ...where, dataset: { ...dataset, samples }, progress, start });
    const skipped = notes.flatMap((text) => /^skipped (.*?-absent): /.exec(text)?.[1] ?? []);
    expect(skipped.sort()).toEqual(broken.map((i) => samples[i]!.image).sort());
    expect(notes).toContainEqual(expect.stringMatching(/^all 6 steps are warm-up, .* schedule\.warmup_steps/));
  });

  it("wait through a warm-up in which no loss of the recipe is on", async () => {
    const losses = ["classification.weight=0", "segmentation.weight=0", "segmentation.tags_weight=0"];
    const recipe = tinyRecipe(root, [...losses, "data.size=[32, 32]", "schedule.steps=2", "schedule.warmup_steps=1"]);
    const where = stage("train");
    expect((await trainStage({ ...options(where, recipe), start })).finished).toBe(true);
    const records = readFileSync(where.metricsFile, "utf8").trim().split("\n");
    const [first, second] = records.map((line) => JSON.parse(line) as { losses: object; norm?: number });
    expect(first!.losses).toEqual({});
    expect(second!.norm).toBeGreaterThan(0);
  });

  it("hold the number of live tensors over 200 steps", async () => {
    const counts: number[] = [];
    const recipe = tinyRecipe(root, [
      "data.size=[32, 32]",
      "batch.labelled=1",
      "batch.unlabelled=1",
      "schedule.steps=200",
      "schedule.warmup_steps=5",
      "checkpoints.every_steps=1000",
      "log.every_steps=1000",
    ]);
    const stop = () => {
      counts.push(liveTensors());
      return false;
    };
    await trainStage({ ...options(stage("train"), recipe, stop), start });
    expect(counts).toHaveLength(200);
    // A parameter's optimiser state appears with its first gradient; from then on nothing may be added.
    expect(new Set(counts.slice(50)).size).toBe(1);
  });
});
