/** Loading recipes: layers, overrides, variables, paths. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { builtInRecipes, diffRecipes, dumpRecipe, type LoadOptions, loadRecipe } from "../../../src/training/config.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-recipe-"));
afterAll(() => rmSync(root, { recursive: true }));

function file(name: string, text: string): string {
  const full = join(root, name);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

function load(text: string, options: LoadOptions = {}) {
  return loadRecipe(file("recipe.yaml", text), { cwd: root, env: {}, ...options });
}

describe("loadRecipe", () => {
  it("fills in the paper's defaults", () => {
    const recipe = load("");
    expect(recipe.name).toBe("recipe");
    expect(recipe.optimizer).toEqual({
      name: "sgd",
      lr: 0.007,
      lr_scratch: 0.07,
      momentum: 0.9,
      nesterov: true,
      weight_decay: 1e-4,
      bias_lr_multiplier: 1,
      clip_norm: 1,
    });
    expect(recipe.s2c).toEqual({ weight: { from: 0.1, to: 1 }, sigma: { from: 0.1, to: 1 } });
    expect(recipe.contrast.bank).toEqual({ foreground: 30_000, background: 50_000 });
    expect(recipe.pseudo_labels).toMatchObject({
      background_threshold: 0.05,
      foreground_threshold: 0.35,
      gt_prob: 0.7,
    });
    expect(recipe.predict).toMatchObject({ scales: [0.5, 1, 1.5, 2], flip: true, threshold: "train" });
  });

  it("lays its keys over those of the recipe it extends, and overrides over both, the last one on top", () => {
    file("base.yaml", "name: base\nseed: 1\nbatch: {labelled: 8, unlabelled: 4}\npredict: {scales: [1, 2, 3]}\n");
    const recipe = load("extends: ./base.yaml\nbatch: {labelled: 2}\npredict: {scales: [1]}\n", {
      set: ["seed=2", "seed=3", "s2c.weight=0.5", "data.subset=[cat, dog]"],
    });
    expect(recipe).toMatchObject({ name: "recipe", seed: 3, batch: { labelled: 2, unlabelled: 4 } });
    expect(recipe.predict.scales).toEqual([1]);
    expect(recipe.s2c.weight).toBe(0.5);
    expect(recipe.data.subset).toEqual(["cat", "dog"]);
  });

  it("extends one level only", () => {
    file("top.yaml", "seed: 1\n");
    file("middle.yaml", "extends: ./top.yaml\n");
    expect(() => load("extends: ./middle.yaml\n")).toThrow(/middle\.yaml, which extends \.\/top\.yaml: only one level/);
  });

  it("reads override values as YAML and takes ready values from the program", () => {
    const recipe = load("", {
      set: [
        "optimizer.lr=1e-3",
        "optimizer.nesterov=false",
        "optimizer.clip_norm=null",
        "s2c.sigma={from: 0, to: 0.5}",
      ],
      values: { "data.root": "photos: summer", seed: 9 },
    });
    expect(recipe.optimizer).toMatchObject({ lr: 0.001, nesterov: false, clip_norm: null });
    expect(recipe.s2c.sigma).toEqual({ from: 0, to: 0.5 });
    expect(recipe.data.root).toBe(join(root, "photos: summer"));
    expect(recipe.seed).toBe(9);
  });

  it.each([["optimizer.lr"], ["=3"], ["a..b=3"]])("refuses the override %j", (text) => {
    expect(() => load("", { set: [text] })).toThrow(/expected key=value with a dotted key for --set/);
  });

  it("refuses an override that is no YAML, naming its key", () => {
    expect(() => load("", { set: ["data.size=[1"] })).toThrow(/expected a YAML value for --set data\.size, got "\[1"/);
    expect(() => load("", { set: ["schedule.steps="] })).toThrow("expected a value after schedule.steps= for --set");
    expect(() => load("", { set: ["optimizer.lr=.inf"] })).toThrow(/optimizer\.lr .*, got Infinity/);
    expect(() => load("", { set: ["predict.scales=[.inf]"] })).toThrow(/predict\.scales.*, got .*Infinity/);
  });

  it("expands variables in strings and names the key and the variable when one is not set", () => {
    const text = `data: {root: '\${PHOTOS}/a', lists: {score: ['\${LIST}']}}\n`;
    const recipe = load(text, { env: { PHOTOS: "/photos", LIST: "holiday" } });
    expect(recipe.data.root).toBe("/photos/a");
    expect(recipe.data.lists.score).toEqual(["holiday"]);
    expect(() => load(text, { env: { LIST: "x" } })).toThrow(
      /data\.root \(.*recipe\.yaml\) needs the environment variable PHOTOS, which is not set/,
    );
  });

  it("needs no variable for a value that is overridden", () => {
    expect(load(`data: {root: '\${PHOTOS}/a'}\n`, { set: ["data.root=/other"] }).data.root).toBe("/other");
  });

  it("resolves paths against the folder of the file they stand in, those of overrides against the working directory", () => {
    file("elsewhere/base.yaml", "model: {weights: w.safetensors}\ndata: {tags: tags.csv}\n");
    const recipe = load("extends: elsewhere/base.yaml\ndata: {root: images}\n", {
      set: ["data.tags=mine.csv"],
      cwd: "/somewhere",
    });
    expect(recipe.model.weights).toBe(join(root, "elsewhere/w.safetensors"));
    expect(recipe.data.root).toBe(join(root, "images"));
    expect(recipe.data.tags).toBe("/somewhere/mine.csv");
  });

  it("leaves keywords and names of lists as they are", () => {
    const recipe = load(
      "data: {tags: annotations, classes: voc, lists: {train: train_aug, score: [val, own/val.txt]}}\n",
    );
    expect(recipe.data.tags).toBe("annotations");
    expect(recipe.data.classes).toBe("voc");
    expect(recipe.data.lists).toEqual({ train: "train_aug", score: ["val", join(root, "own/val.txt")] });
  });

  it("says which built-in recipes there are when a name is unknown, and which was probably meant", () => {
    expect(() => loadRecipe("voc12-animal-mobilenetv2")).toThrow(
      /no built-in recipe is called "voc12-animal-mobilenetv2"; did you mean "voc12-animals-mobilenetv2"\?/,
    );
    expect(() => loadRecipe("recipe", { cwd: root })).toThrow(/for the file here say \.\/recipe\.yaml/);
    expect(() => loadRecipe("./absent.yaml", { cwd: root })).toThrow(`no recipe at ${join(root, "absent.yaml")}`);
  });

  it("shows line and column of a YAML error", () => {
    expect(() => load("seed: 1\nseed: 2\n")).toThrow(/recipe\.yaml:2:1: Map keys must be unique$/);
    expect(() => load("- 1\n- 2\n")).toThrow(/recipe\.yaml: expected a mapping of recipe keys, got \[1,2\]/);
  });
});

describe("built-in recipes", () => {
  const env = { CSRM_DATA: "/data", CSRM_WEIGHTS: "/weights" };

  it.each(builtInRecipes())("%s is valid and comes back from its own dump", (name) => {
    const recipe = loadRecipe(name, { env });
    const copy = loadRecipe(file(`dumped/${name}.yaml`, dumpRecipe(recipe)), { env: {} });
    expect(diffRecipes(recipe, copy)).toEqual([]);
    expect(copy).toEqual(recipe);
    expect(recipe.name).toBe(name);
  });

  it("reads the six animals from the folders in the environment", () => {
    const { data, model } = loadRecipe("voc12-animals-mobilenetv2", { env });
    expect(data.root).toBe("/data/voc12-mini");
    expect(model.weights).toBe("/weights/mobilenet_v2-imagenet.safetensors");
  });
});

describe("diffRecipes", () => {
  it("names every key that differs with both values", () => {
    const a = load("");
    const b = load("", { set: ["seed=4", "predict.scales=[1]", "s2c.weight=1"] });
    expect(diffRecipes(a, b)).toEqual([
      "seed: 0 → 4",
      "s2c.weight.from: 0.1 → (absent)",
      "s2c.weight.to: 1 → (absent)",
      "predict.scales: [0.5,1,1.5,2] → [1]",
      "s2c.weight: (absent) → 1",
    ]);
  });

  it("compares with what another version wrote", () => {
    expect(diffRecipes({ seed: 1, gone: { x: 2 } }, { seed: 1, born: 3 })).toEqual([
      "gone.x: 2 → (absent)",
      "born: (absent) → 3",
    ]);
  });
});
