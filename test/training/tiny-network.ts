/** A network of four convolutions with the outputs of CSRM, and batches for it, so that tests of a whole step take milliseconds. */
import { Rng } from "../../src/data/rng.ts";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import type { CSRMForwardOptions, CSRMOutput } from "../../src/models/csrm.ts";
import { F, manualSeed, randint, randn, type Tensor, tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import type { StepInput, StepNetwork } from "../../src/training/step-input.ts";

export const CLASSES = 3;
const CHANNELS = 8;
const SIZE = 32;

/** Stride 4 for segmentation and representation, 16 for CAMs; dropout in training mode. Remembers how it was asked. */
export class TinyNetwork implements StepNetwork {
  readonly calls: { training: boolean; outputs: CSRMForwardOptions }[] = [];
  readonly weights = {
    stem: randn([CHANNELS, 3, 4, 4]).mul(0.3),
    classifier: randn([CLASSES, CHANNELS, 1, 1]).abs(), // positive, so that every tag is seen somewhere
    segmentation: randn([CLASSES + 1, CHANNELS, 1, 1]),
    representation: randn([CHANNELS, CHANNELS, 1, 1]),
  };
  training = true;

  train(mode = true): this {
    this.training = mode;
    return this;
  }

  /** Makes this the one that learns. */
  learning(): this {
    for (const weight of Object.values(this.weights)) weight.requiresGrad_();
    return this;
  }

  forward(images: Tensor, outputs: CSRMForwardOptions): CSRMOutput {
    this.calls.push({ training: this.training, outputs });
    const { stem, classifier, segmentation, representation } = this.weights;
    const low = F.conv2d(images, stem, { stride: 4 }).relu();
    const cam = F.conv2d(F.avgPool2d(low, 4), classifier);
    const dropped = F.dropout(low, 0.3, this.training);
    return {
      logits: cam.mean([2, 3]),
      cam: outputs.cam ? cam : undefined,
      seg: outputs.seg ? F.conv2d(dropped, segmentation) : undefined,
      rep: outputs.rep ? F.conv2d(dropped, representation) : undefined,
    };
  }
}

/** The default recipe with smaller numbers where they cost time. */
export function smallRecipe(changes: { [section: string]: unknown } = {}) {
  return recipeSchema.parse({
    contrast: { queries: 8, negatives: 8, bank: { foreground: 200, background: 300 } },
    pseudo_labels: { iterations: 2 },
    ...changes,
  });
}

/** A step whose networks are tiny ones. */
export type TinyStep = Omit<StepInput, "student" | "teacher"> & { student: TinyNetwork; teacher: TinyNetwork };

/** Everything a step needs, the same for the same seed: 2 + 2 images, every class somewhere, after the warm-up. */
export function stepInput(changes: Partial<TinyStep> = {}, seed = 1): TinyStep {
  manualSeed(seed);
  return {
    student: new TinyNetwork().learning(),
    teacher: new TinyNetwork(),
    images: randn([4, 3, SIZE, SIZE]),
    pixels: randint(0, 256, [4, SIZE, SIZE, 3]).to("uint8"),
    tags: tensor([
      [1, 0, 1],
      [0, 1, 0],
      [1, 1, 0],
      [0, 0, 1],
    ]),
    labelled: 2,
    bank: new MemoryBank({ classes: CLASSES + 1, channels: CHANNELS, foreground: 200, background: 300 }),
    rng: new Rng(seed),
    recipe: smallRecipe(),
    progress: { step: 30, warmup: 10, steps: 110 },
    precision: "fp32",
    ...changes,
  };
}
