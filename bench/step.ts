/**
 * One full training step (every loss, CRF, clip, SGD, EMA) ÷ the ResNet-50 yardstick on the same images, in turn in one run.
 * The authors' code takes 8.2 of those at RS-50 256², 4+4 images. `npm run bench -- step`, with other figures
 * `npm run bench -- step --device=cuda --backbone=resnest101 --size=512 --labelled=32 --unlabelled=32 --rounds=3`
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Rng } from "../src/data/rng.ts";
import { renderScene } from "../src/data/toy/scene.ts";
import { MemoryBank } from "../src/losses/memory-bank.ts";
import { buildModel, type ModelInfo } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import {
  fromTypedArray,
  liveTensors,
  manualSeed,
  noGrad,
  scope,
  setThreads,
  tensor,
  zeros,
} from "../src/torch/index.ts";
import { clipGradNorm } from "../src/torch/optim/index.ts";
import { recipeSchema } from "../src/training/config.ts";
import { csrmStep } from "../src/training/csrm-step.ts";
import { updateTeacher } from "../src/training/ema.ts";
import { createOptimizer, normalise, precisionOf, prepare } from "../src/training/network.ts";
import { pseudoLabels } from "../src/training/pseudo-labels.ts";
import { median, print, type Timing, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

const { values: options } = parseArgs({
  options: {
    device: { type: "string", default: "cpu" },
    backbone: { type: "string", default: "resnest50" },
    size: { type: "string", default: "256" },
    labelled: { type: "string", default: "4" },
    unlabelled: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
  },
  strict: false,
  allowPositionals: true,
}) as { values: Record<string, string> };
const { device, backbone } = options as { device: string; backbone: string };
const [SIZE, LABELLED, UNLABELLED, ROUNDS] = [options.size, options.labelled, options.unlabelled, options.rounds].map(
  Number,
) as [number, number, number, number];
const IMAGES = LABELLED + UNLABELLED;
const CLASSES = 20;
const SCENES = 8;

// The yardstick is fixed at two threads; beside a GPU the CRF may have all.
setThreads(device === "cpu" ? Math.min(2, availableParallelism()) : "auto");
manualSeed(0);
const recipe = recipeSchema.parse({ model: { backbone }, device });
const names = Array.from({ length: CLASSES + 1 }, (_, i) => `class ${i}`);
const info: ModelInfo & { kind: "csrm" } = {
  ...imagenet,
  kind: "csrm",
  backbone,
  outputStride: 16,
  padding: "symmetric",
  headChannels: 256,
  decoderStride: 4,
  classes: { ids: names.map((_, i) => i), names },
};
const student = buildModel(info);
const teacher = buildModel(info);
prepare(student, recipe.model, device);
prepare(teacher, recipe.model, device);
teacher.copyFrom(student);
for (const parameter of teacher.parameters()) parameter.requiresGrad_(false);
const { optimizer } = createOptimizer(student, recipe.optimizer);
const bank = new MemoryBank({ classes: CLASSES + 1, channels: 256, ...recipe.contrast.bank, device });
const rng = new Rng(0);
const precision = precisionOf(recipe);

// Two tags an image, as on VOC; the scenes give the CRF edges and texture to work on.
const scenes = Array.from({ length: Math.min(IMAGES, SCENES) }, (_, index) =>
  renderScene({ seed: 0, split: "train", index, size: SIZE }),
);
const bytes = Buffer.concat(Array.from({ length: IMAGES }, (_, i) => scenes[i % SCENES]!.rgb));
const pixels = fromTypedArray(new Uint8Array(bytes), [IMAGES, SIZE, SIZE, 3]).to({ device });
const rows = Array.from({ length: IMAGES }, (_, b) =>
  Array.from({ length: CLASSES }, (_, c) => (c === (3 * b) % CLASSES || c === (5 * b + 1) % CLASSES ? 1 : 0)),
);
const tags = tensor(rows).to({ device });
const images = normalise(pixels, info);
const yardstick = resnet50Yardstick(images);
const cams = noGrad(() => student.forward(images, { seg: false, rep: false }).cam!);

/** A GPU works on while the CPU goes ahead; reading one number waits for it. */
function finish(): void {
  if (device !== "cpu") zeros([1], { device }).item();
}

const phases: Record<string, number[]> = {};
function phase<T>(name: string, body: () => T): T {
  const start = performance.now();
  const result = body();
  finish();
  phases[name] ??= [];
  phases[name].push((performance.now() - start) / 1000);
  return result;
}

/** Networks are timed from inside, so that what is left of the step's forward part is pseudo-labels, mixing and losses. */
function timed(network: typeof student, label: () => string) {
  return {
    train: (mode?: boolean) => network.train(mode),
    forward: (...args: Parameters<typeof network.forward>) => phase(label(), () => network.forward(...args)),
  };
}

let looks = 0;
function step(): void {
  looks = 0;
  scope(() => {
    const output = phase("networks, pseudo-labels and losses", () =>
      csrmStep({
        student: timed(student, () => "student forward"),
        teacher: timed(teacher, () => `teacher pass ${++looks}`),
        ...{ images, pixels, tags, labelled: LABELLED, bank, rng, recipe, precision },
        progress: { step: 50, warmup: 10, steps: 100 },
      }),
    );
    phase("backward", () => output.total.backward());
    phase("clip, SGD, EMA", () => {
      clipGradNorm(student.parameters(), recipe.optimizer.clip_norm);
      optimizer.step();
      optimizer.zeroGrad();
      updateTeacher(teacher, student, 0.99);
    });
  });
}

step();
yardstick();
for (const name of Object.keys(phases)) phases[name] = [];
const steps: number[] = [];
const yards: number[] = [];
const time = (into: number[], body: () => void) => {
  const start = performance.now();
  body();
  finish();
  into.push((performance.now() - start) / 1000);
};
for (let round = 0; round < ROUNDS; round++) {
  time(yards, yardstick);
  time(steps, step);
  phase("pseudo-labels (of all images, alone)", () =>
    scope(() => pseudoLabels({ cams, tags, pixels, options: recipe.pseudo_labels })),
  );
}
const ratio: Timing = timingOf(steps.map((seconds, i) => seconds / yards[i]!));
const table = Object.fromEntries(Object.entries(phases).map(([name, seconds]) => [name, median(seconds)]));
const result = {
  benchmark: "step",
  what: `${backbone} ${SIZE}², ${LABELLED}+${UNLABELLED} images, ${precision}, ${device}`,
  images_per_second: IMAGES / median(steps),
  seconds: { step: timingOf(steps), yardstick: timingOf(yards) },
  ratio,
  phases: table,
  live_tensors: liveTensors(),
  peak_memory_gib: process.resourceUsage().maxRSS / 2 ** 20,
};
const s = (value: number) => `${value.toFixed(2)} s`;
print(
  result,
  [
    `${result.what}: ${s(median(steps))} a step, yardstick ${s(median(yards))}`,
    `ratio ${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} … ${ratio.max.toFixed(2)} over ${ROUNDS} rounds); the authors' code: 8.2`,
    ...Object.entries(table).map(([name, value]) => `  ${name.padEnd(40)} ${s(value)}`),
    `peak memory ${result.peak_memory_gib.toFixed(1)} GiB`,
  ].join("\n"),
);
