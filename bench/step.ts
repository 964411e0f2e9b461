/**
 * One full training step (every loss, CRF, clip, SGD, EMA) ÷ the ResNet-50 yardstick on the same images, in turn in one run.
 * The authors' code takes 8.2 of those at RS-50 256², 4+4 images. `npm run bench -- step`, with other figures
 * `npm run bench -- step --device=cuda --backbone=resnest101 --size=512 --labelled=32 --unlabelled=32 --rounds=3`
 */
import { Rng } from "../src/data/rng.ts";
import { renderScene } from "../src/data/toy/scene.ts";
import { MemoryBank } from "../src/losses/memory-bank.ts";
import { buildModel, type ModelInfo } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import { fromTypedArray, liveTensors, manualSeed, noGrad, scope, setThreads, tensor } from "../src/torch/index.ts";
import { clipGradNorm } from "../src/torch/optim/index.ts";
import { recipeSchema } from "../src/training/config.ts";
import { csrmStep } from "../src/training/csrm-step.ts";
import { updateTeacher } from "../src/training/ema.ts";
import { createOptimizer, normalise, precisionOf, prepare } from "../src/training/network.ts";
import { pseudoLabels } from "../src/training/pseudo-labels.ts";
import { finish } from "./lib/finish.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { type Row, report } from "./lib/result.ts";
import { median, ratioOf, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

const options = parseCase({ backbone: "resnest50", size: 256, labelled: 4, unlabelled: 4 });
const { device, threads, backbone, size: SIZE, labelled: LABELLED, unlabelled: UNLABELLED } = options;
const ROUNDS = roundsOf(options, 5);
const IMAGES = LABELLED + UNLABELLED;
const CLASSES = 20;
const SCENES = 8;
/** Phases of a step; each pass of a network adds its own, within the first of these. */
const FORWARD = "networks, pseudo-labels and losses";
const UPDATE = "clip, SGD, EMA";
const ALONE = "for comparison: pseudo-labels of all images";

setThreads(threads);
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

const phases: Record<string, number[]> = {};
function phase<T>(name: string, body: () => T): T {
  const start = performance.now();
  const result = body();
  finish(device);
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
    const output = phase(FORWARD, () =>
      csrmStep({
        student: timed(student, () => "student forward"),
        teacher: timed(teacher, () => `teacher pass ${++looks}`),
        ...{ images, pixels, tags, labelled: LABELLED, bank, rng, recipe, precision },
        progress: { step: 50, warmup: 10, steps: 100 },
      }),
    );
    phase("backward", () => output.total.backward());
    phase(UPDATE, () => {
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
  finish(device);
  into.push((performance.now() - start) / 1000);
};
const from = Date.now();
const live: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  time(yards, yardstick);
  time(steps, step);
  phase(ALONE, () => scope(() => void pseudoLabels({ cams, tags, pixels, options: recipe.pseudo_labels })));
  live.push(liveTensors());
}
const perStep = median(steps);
const table = Object.fromEntries(Object.entries(phases).map(([name, seconds]) => [name, median(seconds)]));
const rowsOf = (numbers: Record<string, number[]>) =>
  Object.entries(numbers).map(
    ([what, seconds]): Row => ({
      what,
      value: timingOf(seconds),
      more: { "of the step": `${Math.round((100 * median(seconds)) / perStep)} %` },
    }),
  );
// The passes are timed within the forward part; what is left of it is everything else before backward.
const { [FORWARD]: forward, backward, [UPDATE]: update, [ALONE]: alone, ...passes } = phases;
const rest = forward!.map((seconds, i) => Object.values(passes).reduce((left, pass) => left - pass[i]!, seconds));
const phaseRows = rowsOf({
  ...passes,
  "pseudo-labels, mixing, losses and the rest": rest,
  backward: backward!,
  [UPDATE]: update!,
  [ALONE]: alone!,
});
const peakGib = process.resourceUsage().maxRSS / 2 ** 20;
const what = `${backbone} ${SIZE}², ${LABELLED}+${UNLABELLED} images, ${precision}, ${device}`;
const isReference = backbone === "resnest50" && SIZE === 256 && LABELLED === 4 && UNLABELLED === 4 && device === "cpu";
report({
  benchmark: "step",
  what,
  timed: { from, to: Date.now() },
  images_per_second: IMAGES / perStep,
  seconds: { step: timingOf(steps), yardstick: timingOf(yards) },
  ratio: ratioOf(steps, yards),
  phases: table,
  live_tensors: live,
  peak_memory_gib: peakGib,
  sections: [
    {
      title: `One training step of CSRM: ${what}, every loss`,
      unit: "seconds",
      peer: "ResNet-50 forward and backward, fp32, same images",
      rows: [
        {
          what: "whole step",
          value: timingOf(steps),
          peer: timingOf(yards),
          ratio: ratioOf(steps, yards),
          more: {
            ...(isReference ? { "authors' code ÷ its ResNet-50": "8.2", goal: "≤ 2.5" } : {}),
            "images/s": (IMAGES / perStep).toFixed(2),
            "peak memory": `${peakGib.toFixed(1)} GiB`,
            "live tensors, second and last round": `${live[1] ?? live[0]}, ${live.at(-1)}`,
          },
        },
      ],
    },
    { title: "Where the time of that step goes", unit: "seconds", rows: phaseRows },
  ],
});
