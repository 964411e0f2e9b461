/** The start classifier's methods on disk: stopped and gone on with, what they save, where P-NOC's second classifier comes from. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Dataset } from "../../src/data/types.ts";
import { modelInfo } from "../../src/models/model-file.ts";
import { silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { liveTensors, loadTensors, type Tensor } from "../../src/torch/index.ts";
import { readCheckpoint } from "../../src/training/checkpoint.ts";
import type { Recipe } from "../../src/training/config.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, type StageOptions, trainStage } from "../../src/training/stages.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";

let root: string;
let dataset: Dataset;

const SMALL = ["data.size=[32, 32]", "pretrain.batch=6", "threads=1"];

/** Two steps an epoch; two of training, two of P-NOC's second classifier. */
function recipeOf(method: string, ...set: string[]): Recipe {
  return tinyRecipe(root, [...SMALL, `pretrain.method=${method}`, ...set]);
}

function newStage(): Stage {
  return new Stage("pretrain", temporaryFolder("pretrain"));
}

function options(stage: Stage, recipe: Recipe, stop: () => boolean = () => false): StageOptions {
  return { stage, recipe, dataset, progress: silentProgress, stop };
}

function last(stage: Stage) {
  return readCheckpoint(path.join(stage.checkpoints, "last.safetensors"), "pretrain");
}

function same(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): void {
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  for (const [name, tensor] of a) {
    const [one, other] = [tensor, b.get(name)!].map((each) => Buffer.from(each.toTypedArray().buffer));
    expect(one!.equals(other!), name).toBe(true);
  }
}

function records(stage: Stage): { losses: Record<string, number>; [stat: string]: unknown }[] {
  return readFileSync(stage.metricsFile, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

beforeAll(async () => {
  root = await tinyData();
  // Nothing here may need a mask.
  rmSync(path.join(root, "SegmentationClass"), { recursive: true });
  const recipe = tinyRecipe(root);
  dataset = await openRecipeData(recipe, recipe.data.lists.train);
});

describe("a start classifier's training", () => {
  it("by P-NOC goes on bit by bit after a stop in either part, saves both networks, and frees them", async () => {
    const [straight, stopped] = [newStage(), newStage()];
    const recipe = recipeOf("pnoc");
    const alive = liveTensors();
    const whole = await pretrainStage(options(straight, recipe));
    expect(liveTensors()).toBe(alive);
    const first = await pretrainStage(options(stopped, recipe, () => true));
    expect([first.finished, existsSync(path.join(stopped.checkpoints, "last.safetensors"))]).toEqual([false, false]);
    const second = await pretrainStage(options(stopped, recipe, afterSteps(2)));
    expect([second.finished, last(stopped).step]).toEqual([false, 1]);
    // From here on the checkpoint has all there is to know of the second classifier.
    rmSync(path.join(stopped.path, "oc"), { recursive: true });
    const resumed = await pretrainStage(options(stopped, recipe));
    expect(existsSync(path.join(stopped.path, "oc", "model.safetensors"))).toBe(false);
    same(loadTensors(whole.model).tensors, loadTensors(resumed.model).tensors);

    const [a, b] = [last(straight), last(stopped)];
    // Adam's moments of both networks are there; SGD without momentum would have none.
    expect(Object.keys(a.tensors).sort()).toEqual(["model", "optimizer", "ordinary", "ordinary_optimizer", "random"]);
    for (const group of Object.keys(a.tensors)) same(a.tensors[group]!, b.tensors[group]!);
    expect({ ...a.state, seconds: 0 }).toEqual({ ...b.state, seconds: 0 });
    expect(a.state.erasure).toHaveLength(4);
    const losses = ["classification", "tiles", "reconstruction", "erasure", "ordinary"];
    expect(Object.keys(records(straight)[0]!.losses)).toEqual(losses);
    expect(records(straight).map((record) => [record.erasure_weight, record.ordinary_weight])).toEqual([
      [0.3, 0],
      [expect.closeTo(0.65, 12), 0.5],
    ]);
  });

  it("by Puzzle-CAM goes on after a stop bit by bit as if there had been none", async () => {
    const [straight, stopped] = [newStage(), newStage()];
    const recipe = recipeOf("puzzle");
    const whole = await pretrainStage(options(straight, recipe));
    expect((await pretrainStage(options(stopped, recipe, () => true))).finished).toBe(false);
    expect(last(stopped).step).toBe(1);
    const resumed = await pretrainStage(options(stopped, recipe));
    same(loadTensors(whole.model).tensors, loadTensors(resumed.model).tensors);
    expect(records(stopped).map(({ losses }) => losses)).toEqual(records(straight).map(({ losses }) => losses));
    expect(Object.keys(records(straight)[0]!.losses)).toEqual(["classification", "tiles", "reconstruction"]);
    expect(records(straight).map((record) => record.reconstruction_weight)).toEqual([0, 4]);
  });

  it("by P-NOC begins its second classifier with a plain one, trained first or given, to the same end", async () => {
    const [own, plain, given] = [newStage(), newStage(), newStage()];
    const trained = await pretrainStage(options(own, recipeOf("pnoc", "pretrain.pnoc.oc.epochs=2")));
    const { model } = await pretrainStage(options(plain, recipeOf("cam", "pretrain.epochs=2")));
    same(loadTensors(path.join(own.path, "oc", "model.safetensors")).tensors, loadTensors(model).tensors);
    expect(records(new Stage("pretrain", path.join(own.path, "oc")))).toHaveLength(4);
    const other = await pretrainStage(options(given, recipeOf("pnoc", `pretrain.pnoc.oc.weights=${model}`)));
    expect(readdirSync(given.path)).not.toContain("oc");
    same(loadTensors(trained.model).tensors, loadTensors(other.model).tensors);
    expect(trained.seconds).toBeGreaterThan(Number(last(own).state.seconds));
  });

  it("by either leaves a classifier as the plain one does, which CSRM begins with", async () => {
    for (const method of ["puzzle", "pnoc"]) {
      const { model } = await pretrainStage(options(newStage(), recipeOf(method)));
      const info = modelInfo(model);
      expect([info.kind, info.classes.names]).toEqual(["classifier", dataset.classes.names]);
      const stage = new Stage("train", temporaryFolder("train"));
      const recipe = recipeOf(method, "schedule={steps: 2, warmup_steps: 1}");
      expect((await trainStage({ ...options(stage, recipe), start: model })).finished).toBe(true);
    }
  });

  it("by P-NOC refuses a second classifier that is absent, of another kind or of another network", async () => {
    const stage = newStage();
    const { model } = await pretrainStage(options(stage, recipeOf("cam")));
    const absent = path.join(root, "absent.safetensors");
    const withFile = (file: string, ...set: string[]) =>
      pretrainStage(options(newStage(), recipeOf("pnoc", `pretrain.pnoc.oc.weights=${file}`, ...set)));
    await expect(withFile(absent)).rejects.toThrow(/absent\.safetensors/);
    await expect(withFile(model, "model.output_stride=16")).rejects.toThrow(/expected outputStride 16 .*got 8/);
    const train = new Stage("train", temporaryFolder("train"));
    const recipe = recipeOf("cam", "schedule={steps: 1, warmup_steps: 1}");
    const csrm = await trainStage({ ...options(train, recipe), start: model });
    await expect(withFile(csrm.model)).rejects.toThrow(/expected a start classifier .*got "a csrm network"/);
  });

  it.each(["puzzle", "pnoc"])("by %s stops at numbers that are not finite, naming the loss", async (method) => {
    const stage = newStage();
    const set = ["pretrain.lr=1e30", "pretrain.clip_norm=null", "pretrain.epochs=2", "checkpoints.every_steps=1"];
    const start = await pretrainStage(options(newStage(), recipeOf("cam")));
    const recipe = recipeOf(method, ...set, `pretrain.pnoc.oc.weights=${start.model}`);
    await expect(pretrainStage(options(stage, recipe))).rejects.toThrow(
      /training stopped at step \d: .*(NaN|Infinity).*lower learning rate \(pretrain\.lr\)/,
    );
    expect(existsSync(path.join(stage.path, "model.safetensors"))).toBe(false);
    expect(last(stage).step).toBeGreaterThan(0);
  });
});

/** Says stop after n steps. */
function afterSteps(n: number): () => boolean {
  let asked = 0;
  return () => ++asked >= n;
}
