/** TensorBoard's events beside metrics.jsonl: the same numbers, over stops and kills. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { EventsWriter } from "../../src/training/events-writer.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, trainStage } from "../../src/training/stages.ts";
import { readEvents, scalarsByStep } from "../helpers/tfevents.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";

const python = process.env.CSRM_PYTHON ?? "python3";
const hasTensorBoard = spawnSync(python, ["-c", "import tensorboard"]).status === 0;

const READER = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
log = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
print(json.dumps({tag: [[e.step, e.value] for e in log.Scalars(tag)] for tag in log.Tags()["scalars"]}))`;

function eventFiles(folder: string): Buffer[] {
  const names = readdirSync(folder).filter((name) => name.startsWith("events.out.tfevents."));
  return names.sort().map((name) => readFileSync(path.join(folder, name)));
}

/** A process that trained to step 6 from a checkpoint at 0, was killed, and one that went on from 4. */
function killedAndResumed(): string {
  const folder = temporaryFolder("events");
  const now = () => 1_700_000_000_500;
  const first = new EventsWriter(folder, 0, { now });
  for (const step of [1, 2, 4, 6]) first.append({ step, time: step, losses: { s2c: step / 2 }, lr: 0.25 });
  const second = new EventsWriter(folder, 4, { now });
  for (const step of [6, 8]) second.append({ step, time: step, losses: { s2c: step }, lr: 0.125 });
  return folder;
}

describe("the events of a training", () => {
  it("are numbers by step, under the names of metrics.jsonl, with steps that were done again only once", () => {
    const folder = killedAndResumed();
    expect(readdirSync(folder).map((name) => name.slice(0, 31))).toEqual([
      "events.out.tfevents.1700000000.",
      "events.out.tfevents.1700000001.",
    ]);
    const files = eventFiles(folder);
    expect(files.map((file) => readEvents(file).length)).toEqual([6, 4]);
    for (const file of files) expect(readEvents(file)[0]).toMatchObject({ version: "brain.Event:2", step: 0 });
    expect(scalarsByStep(files)).toEqual([
      { step: 1, scalars: { "losses/s2c": 0.5, lr: 0.25 } },
      { step: 2, scalars: { "losses/s2c": 1, lr: 0.25 } },
      { step: 4, scalars: { "losses/s2c": 2, lr: 0.25 } },
      { step: 6, scalars: { "losses/s2c": 6, lr: 0.125 } },
      { step: 8, scalars: { "losses/s2c": 8, lr: 0.125 } },
    ]);
  });

  it.skipIf(!hasTensorBoard)("are read by TensorBoard the same way (skipped without Python's tensorboard)", () => {
    const { stdout, stderr } = spawnSync(python, ["-c", READER, killedAndResumed()], { encoding: "utf8" });
    expect(stdout, stderr).not.toBe("");
    expect(JSON.parse(stdout)).toEqual({
      "losses/s2c": [
        [1, 0.5],
        [2, 1],
        [4, 2],
        [6, 6],
        [8, 8],
      ],
      lr: [
        [1, 0.25],
        [2, 0.25],
        [4, 0.25],
        [6, 0.125],
        [8, 0.125],
      ],
    });
  });

  it("leave no file where nothing is trained any more", () => {
    const folder = temporaryFolder("events");
    new EventsWriter(folder, 10);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("are those of metrics.jsonl in both training stages, one file a call that trained", async () => {
    const root = await tinyData();
    const recipe = tinyRecipe(root, ["data.size=[32, 32]", "schedule={steps: 4, warmup_steps: 2}"]);
    const dataset = await openRecipeData(recipe, recipe.data.lists.train);
    const [first, second] = [
      new Stage("pretrain", temporaryFolder("pretrain")),
      new Stage("train", temporaryFolder("train")),
    ];
    const common = { recipe, dataset, progress: silentProgress };
    let asked = 0;
    const { model } = await pretrainStage({ ...common, stage: first, stop: () => false });
    await trainStage({ ...common, stage: second, start: model, stop: () => ++asked === 2 });
    for (let call = 0; call < 2; call++) {
      await trainStage({ ...common, stage: second, start: model, stop: () => false });
    }
    for (const [stage, files] of [
      [first, 1],
      [second, 2],
    ] as const) {
      expect(eventFiles(stage.path)).toHaveLength(files);
      const lines = readFileSync(stage.metricsFile, "utf8").trimEnd().split("\n");
      const logged = lines.map((line) => {
        type Line = { step: number; time: number; losses: Record<string, number> };
        const { step, time, losses, ...others } = JSON.parse(line) as Line;
        const named = Object.entries(losses).map(([name, value]) => [`losses/${name}`, value] as const);
        const all = [...Object.entries(others as Record<string, number>), ...named];
        return { step, scalars: Object.fromEntries(all.map(([name, value]) => [name, Math.fround(value)])) };
      });
      expect(scalarsByStep(eventFiles(stage.path))).toEqual(logged);
    }
  });
});
