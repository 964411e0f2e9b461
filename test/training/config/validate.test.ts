/** What a person reads when a recipe is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { CsrmError, messageOf } from "../../../src/errors.ts";
import { describeRecipe, loadRecipe } from "../../../src/training/config.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-recipe-errors-"));
const path = join(root, "own.yaml");
afterAll(() => rmSync(root, { recursive: true }));

function linesFor(text: string, set: string[] = []): string[] {
  writeFileSync(path, text);
  try {
    loadRecipe(path, { set, cwd: root, env: {} });
  } catch (error) {
    expect(error).toBeInstanceOf(CsrmError);
    return messageOf(error).split("\n");
  }
  throw new Error("the recipe was accepted");
}

describe("recipe errors", () => {
  it("suggests the key that was probably meant", () => {
    expect(linesFor("optimiser: {lr: 1}\n")).toEqual([`unknown key optimiser (${path}); did you mean optimizer?`]);
    expect(linesFor("optimizer: {lr_scrach: 1}\n")).toEqual([
      `unknown key optimizer.lr_scrach (${path}); did you mean optimizer.lr_scratch?`,
    ]);
  });

  it("points to where a key of that name stands when it is at the wrong place", () => {
    expect(linesFor("temperature: 0.5\n")).toEqual([
      `unknown key temperature (${path}); did you mean contrast.temperature?`,
    ]);
  });

  it("makes no suggestion when nothing is near", () => {
    expect(linesFor("quux: 1\n")).toEqual([`unknown key quux (${path})`]);
  });

  it("treats __proto__ as a key like any other", () => {
    expect(linesFor("seed: 1\n", ["optimizer.__proto__=1"])).toEqual(["unknown key optimizer.__proto__ (--set)"]);
  });

  it("says where a wrong value came from, what is allowed and what was given", () => {
    expect(linesFor("classmix: {probability: 1.5}\n")).toEqual([
      `expected a number from 0 to 1 for classmix.probability (${path}), got 1.5`,
    ]);
    // Runs are folders of that name.
    expect(linesFor("", ["name=../other"])).toEqual([
      'expected a file name: text without slashes for name (--set), got "../other"',
    ]);
    expect(linesFor("", ["device=gpu"])).toEqual(['expected "cpu", "cuda" or "cuda:N" for device (--set), got "gpu"']);
  });

  it.each([
    ["data.size", "[256]", "a list of 2 whole numbers ≥ 32"],
    ["data.size", "[256, 16]", "a list of 2 whole numbers ≥ 32"],
    ["model.output_stride", "12", "one of 8, 16, 32"],
    ["optimizer.lr", "0", "a number > 0"],
    ["optimizer.lr", ".nan", "a number > 0"],
    ["schedule.steps", "1.5", "a whole number ≥ 1 or null"],
    ["ema.decay", "1", "a number ≥ 0 and < 1"],
    ["transforms.jitter.hue", "0.6", "a number from 0 to 0.5"],
    ["s2c.weight", "{from: 0}", "a number ≥ 0 or a mapping with the keys from, to"],
    ["s2c.sigma", "2", "a number from 0 to 1 or a mapping with the keys from, to"],
    ["predict.threshold", "val", "a number from 0 to 1 or train"],
    ["predict.scales", "[]", "a list of numbers > 0"],
    [
      "predict.size",
      "{shortest: 300}",
      "original or training or a list of 2 whole numbers ≥ 32 or a mapping with the key longest",
    ],
    ["predict.checkpoint", "best", '"last", "step-N" or "best_by_masks"'],
    ["pretrain.optimizer", "adam", "sgd or adamw"],
    ["refine.crf.bilateral_sxy", "1.0e-7", "a number from 0.000001 to 1000000000"],
    ["verify.predict.bilateral_srgb", "1.0e+10", "a number from 0.000001 to 1000000000"],
    ["pseudo_labels.gaussian_compat", "2000000", "a number from 0 to 1000000"],
  ])("refuses %s: %s", (key, value, wanted) => {
    const [line, ...rest] = linesFor("", [`${key}=${value}`]);
    expect(line).toContain(`expected ${wanted} for ${key} (--set), got `);
    expect(rest).toEqual([]);
  });

  it("checks keys against each other", () => {
    expect(linesFor("refine: {crf: {crf_scale: 1.0e-9}}\n")[0]).toContain(
      "expected a refine.crf.crf_scale that leaves refine.crf.gaussian_sxy",
    );
    expect(linesFor("pseudo_labels: {background_threshold: 0.6}\n")[0]).toContain(
      "expected pseudo_labels.background_threshold not above pseudo_labels.foreground_threshold",
    );
    expect(linesFor("contrast: {low_rank: 6}\n")[0]).toContain("expected contrast.low_rank below contrast.high_rank");
    expect(linesFor("data: {lists: {score: []}}\n")[0]).toContain("expected a number for predict.threshold");
    expect(linesFor("transforms: {scale: [2, 1]}\n")[0]).toContain("the smaller factor first");
    expect(linesFor("transforms: {blur: {radius: [2, 1]}}\n")[0]).toContain("the smaller radius first");
  });

  it("reports everything that is wrong at once", () => {
    expect(linesFor("seed: -1\nthreads: none\nbatch: 3\n")).toHaveLength(3);
  });
});

describe("describeRecipe", () => {
  it("has a description, a type and a default for every key", () => {
    for (const entry of describeRecipe()) {
      expect(entry.description, entry.key).not.toBe("");
      expect(entry.type, entry.key).not.toBe("");
      if (!entry.section) expect(entry.default, entry.key).not.toBe("");
    }
  });

  it("gives defaults that are the schema's own", () => {
    const set = describeRecipe()
      .filter((entry) => !entry.section)
      .map((entry) => `${entry.key}=${entry.default}`);
    writeFileSync(path, "");
    const plain = loadRecipe(path, { env: {} });
    expect(loadRecipe(path, { env: {}, set: [...set, "name=own"] })).toEqual(plain);
  });
});
