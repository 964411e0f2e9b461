/** Sixty whole training steps with everything a long run does: nothing may pile up. `npm run bench -- longrun` makes thousands, and weighs memory. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { floorGrowth, levelsOf, resourcesNow, spreadOf } from "../../bench/lib/resources.ts";
import { silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, trainStage } from "../../src/training/stages.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";

const WARMUP = 5;
/** Every loss has run, and checkpoints have been written, before counting begins. */
const SETTLED = 20;

describe("a long training", () => {
  it("keeps the number of tensors, open files and handles, while it logs and saves", async () => {
    const recipe = tinyRecipe(await tinyData(), [
      "data.size=[32, 32]",
      "model={backbone: mobilenet_v2, output_stride: 16, head_channels: 16, decoder_stride: 8}",
      `schedule={steps: 60, warmup_steps: ${WARMUP}}`,
      "contrast.bank={foreground: 20, background: 20}",
      "checkpoints={every_steps: 6, keep: 1}",
      "log.every_steps=3",
    ]);
    const dataset = await openRecipeData(recipe, recipe.data.lists.train);
    const stage = (name: "pretrain" | "train") => new Stage(name, temporaryFolder(name));
    const common = { recipe, dataset, progress: silentProgress };
    const { model: start } = await pretrainStage({ ...common, stage: stage("pretrain"), stop: () => false });
    const samples: ReturnType<typeof resourcesNow>[] = [];
    const train = stage("train");
    const stop = () => {
      samples.push(resourcesNow());
      return false;
    };
    await trainStage({ ...common, stage: train, start, stop });

    const losses = JSON.parse(
      readFileSync(path.join(train.path, "metrics.jsonl"), "utf8").trimEnd().split("\n").at(-1)!,
    );
    expect(Object.keys(losses.losses)).toEqual(
      expect.arrayContaining(["segmentation", "s2c", "unsupervised", "contrast"]),
    );
    const settled = samples.slice(SETTLED);
    expect(settled).toHaveLength(40);
    expect(new Set(settled.map((sample) => sample.live_tensors)).size).toBe(1);
    const middle = settled.length / 2;
    for (const key of ["descriptors", "handles"] as const) {
      const most = (part: typeof samples) => Math.max(...part.map((sample) => sample[key] ?? 0));
      // A read that is under way at one moment may be the most of either half.
      expect(most(settled.slice(middle)), key).toBeLessThanOrEqual(most(settled.slice(0, middle)) + 2);
    }
  });
});

describe("the judgement of a series", () => {
  it("tells noise from growth", () => {
    expect(spreadOf([98, 100, 102])).toBeCloseTo(0.02, 9);
    expect(spreadOf([7, 7])).toBe(0);
    expect(floorGrowth([10, 30, 11, 40])).toBeCloseTo(0.1, 9);
    expect(floorGrowth([10, 30, 10, 40])).toBe(0);
    const noisy = Array.from({ length: 100 }, (_, i) => 100 + (i % 2 === 0 ? 10 : 0) + (i % 5 === 0 ? 30 : 0));
    const leaking = noisy.map((value, i) => value + i / 2);
    expect(levelsOf(noisy)).toHaveLength(10);
    expect(spreadOf(levelsOf(noisy))).toBeLessThan(0.02);
    expect(spreadOf(levelsOf(leaking))).toBeGreaterThan(0.1);
  });
});
