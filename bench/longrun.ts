/**
 * 3,000 small training steps with every loss, logs and checkpoints going on: does memory stay flat (± 2 %), do tensors, handles or open
 * files grow? Exits with 1 where something does. `npm run bench -- longrun [--steps=3000] [--every=50] [--settle=600] [--threads=1]`
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { generateToy } from "../src/data/toy/index.ts";
import type { ModelInfo } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import { duration } from "../src/progress.ts";
import { Stage } from "../src/run-stage.ts";
import { inspectTensors, liveTensors, manualSeed, setThreads } from "../src/torch/index.ts";
import { CheckpointFolder } from "../src/training/checkpoint.ts";
import { loadRecipe } from "../src/training/config.ts";
import { trainingLoop } from "../src/training/loop.ts";
import { openRecipeData } from "../src/training/recipe-data.ts";
import { TrainTask } from "../src/training/train-task.ts";
import { fillModule } from "../test/helpers/fill.ts";
import { tinyCsrm } from "../test/training/tiny-csrm.ts";
import { collectGarbage, floorGrowth, levelsOf, type Resources, resourcesNow, spreadOf } from "./lib/resources.ts";
import { print } from "./measure.ts";

const { values: options } = parseArgs({
  options: {
    steps: { type: "string", default: "3000" },
    every: { type: "string", default: "50" },
    settle: { type: "string", default: "600" },
    threads: { type: "string", default: "1" },
  },
  strict: false,
  allowPositionals: true,
}) as { values: Record<string, string> };
const [STEPS, EVERY, SETTLE] = [options.steps, options.every, options.settle].map(Number) as [number, number, number];
/** ± 2 % of memory; a heap's floor may move by more, since it is small and its pauses come when they like. */
const [MEMORY, HEAP] = [0.02, 0.1];
const CHECKPOINT_EVERY = 100;

const root = mkdtempSync(join(tmpdir(), "csrm-longrun-"));
process.once("exit", () => rmSync(root, { recursive: true, force: true }));
const recipe = loadRecipe("toy-tiny", {
  set: [
    `data.root=${JSON.stringify(join(root, "data"))}`,
    "data.toy.train=60",
    `threads=${options.threads}`,
    `schedule={steps: ${STEPS}, warmup_steps: 20}`,
    // So small that it is full, and overwrites its oldest rows, long before the run has settled.
    "contrast.bank={foreground: 60, background: 60}",
    `checkpoints={every_steps: ${CHECKPOINT_EVERY}, keep: 1}`,
    "log.every_steps=5",
  ],
});
const { train, val, size, seed } = recipe.data.toy;
await generateToy({ out: join(root, "data"), seed, size, images: { train, val } });
const dataset = await openRecipeData(recipe, recipe.data.lists.train);
setThreads(recipe.threads);
manualSeed(recipe.seed);
// The whole method around a backbone of five convolutions: what may pile up does not depend on how wide the layers are.
const CHANNELS = 16;
const networks = () => tinyCsrm(dataset.classes.ids.length - 1, CHANNELS);
const [student, teacher] = [networks(), networks()];
fillModule(student);
teacher.copyFrom(student);
const described = { kind: "csrm", backbone: "tiny", outputStride: 16, padding: "symmetric" } as const;
const info: ModelInfo & { kind: "csrm" } = {
  ...{ ...described, ...imagenet, headChannels: CHANNELS, decoderStride: 4, classes: dataset.classes },
};
const task = new TrainTask({ student, teacher, info, dataset, recipe });
const stage = new Stage("train", join(root, "train"));
const metrics = stage.metrics(0);

const samples: ({ step: number } & Resources)[] = [];
let step = 0;
const began = performance.now();
await trainingLoop(task, {
  checkpoints: new CheckpointFolder({ folder: stage.checkpoints, stage: "train", keep: recipe.checkpoints.keep }),
  checkpointEvery: recipe.checkpoints.every_steps,
  logEvery: recipe.log.every_steps,
  onRecord: (record) => metrics.append({ ...record, live_tensors: liveTensors() }),
  stop() {
    step++;
    if (step % EVERY === 0) {
      // Garbage comes and goes by tens of MiB, which would hide a leak of as much.
      collectGarbage();
      const now = { step, ...resourcesNow() };
      samples.push(now);
      process.stderr.write(`${JSON.stringify(now)}\n`);
    }
    return false;
  },
});
const seconds = (performance.now() - began) / 1000;

const settled = samples.filter((sample) => sample.step >= SETTLE);
const of = (key: keyof Resources) => settled.map((sample) => sample[key] ?? 0);
const logged = readFileSync(stage.metricsFile, "utf8").trimEnd().split("\n");
const losses = Object.keys((JSON.parse(logged.at(-1)!) as { losses: object }).losses);
const { state } = JSON.parse(inspectTensors(join(stage.checkpoints, "last.safetensors")).metadata.csrm_checkpoint!);
const { sizes, capacities } = state.bank as Record<"sizes" | "capacities", number[]>;
const judged = {
  // Buffers of a step come and go between samples, so levels are compared: the medians of tenths of the run.
  memory: { spread: spreadOf(levelsOf(of("rss"))), allowed: MEMORY, of_samples: spreadOf(of("rss")) },
  heap_floor: { growth: floorGrowth(of("heap")), allowed: HEAP },
  live_tensors: { least: Math.min(...of("live_tensors")), most: Math.max(...of("live_tensors")) },
  descriptors: { growth: most("descriptors", 1) - most("descriptors", 0) },
  handles: { growth: most("handles", 1) - most("handles", 0) },
};
const flat =
  judged.memory.spread <= MEMORY &&
  judged.heap_floor.growth <= HEAP &&
  judged.live_tensors.least === judged.live_tensors.most &&
  judged.descriptors.growth <= 0 &&
  judged.handles.growth <= 0;
const result = {
  benchmark: "longrun",
  what: `${STEPS} steps of CSRM on a backbone of five convolutions at ${size}², ${recipe.batch.labelled}+${recipe.batch.unlabelled} images, ${options.threads} thread(s)`,
  seconds,
  losses,
  checkpoints: Math.ceil(STEPS / CHECKPOINT_EVERY),
  full_classes_of_bank: `${sizes.filter((held, c) => held === capacities[c]).length} of ${sizes.length}`,
  settled_from: SETTLE,
  ...judged,
  flat,
  samples,
};

/** The most in one half of the settled samples: reads that are under way at a sample come and go. */
function most(key: keyof Resources, half: 0 | 1): number {
  const values = of(key);
  const middle = values.length >> 1;
  return Math.max(...(half === 0 ? values.slice(0, middle) : values.slice(middle)));
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const percent = (fraction: number) => `${(100 * fraction).toFixed(2)} %`;
const shown = samples.filter(
  (_, i) => i % Math.max(1, Math.floor(samples.length / 12)) === 0 || i === samples.length - 1,
);
print(
  result,
  [
    `${result.what}, in ${duration(seconds)}; losses ${losses.join(", ")}; bank full for ${result.full_classes_of_bank} classes`,
    "step      memory        heap   tensors  descriptors  handles",
    ...shown.map((s) =>
      [
        String(s.step).padStart(4),
        mib(s.rss).padStart(12),
        mib(s.heap).padStart(11),
        String(s.live_tensors).padStart(9),
        String(s.descriptors ?? "–").padStart(12),
        String(s.handles).padStart(8),
      ].join(""),
    ),
    `from step ${SETTLE}: memory ± ${percent(judged.memory.spread)} (single samples ± ${percent(judged.memory.of_samples)}), heap floor ${percent(judged.heap_floor.growth)}, ` +
      `tensors ${judged.live_tensors.least} … ${judged.live_tensors.most}, ` +
      `descriptors ${signed(judged.descriptors.growth)}, handles ${signed(judged.handles.growth)}: ${flat ? "flat" : "NOT FLAT"}`,
  ].join("\n"),
);
if (!flat) process.exitCode = 1;

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
