/** About how much memory a training step takes at its peak: what must lie there at once, counted rather than tried. */
import type { Classifier } from "../models/classifier.ts";
import type { CSRM } from "../models/csrm.ts";
import { SplAtConv2d } from "../models/splat.ts";
import { noGrad, scope, type Tensor, zeros } from "../torch/index.ts";
import { AvgPool2d, BatchNorm2d, Conv2d, GroupNorm, type Module } from "../torch/nn/index.ts";
import type { Recipe } from "./config.ts";
import { precisionOf } from "./network.ts";

/** Bytes. */
export interface MemoryEstimate {
  /** Student and teacher; of a start all that its method has. */
  networks: number;
  gradients: number;
  optimizer: number;
  bank: number;
  /** The batch as bytes and as floats, plain and mixed. */
  images: number;
  /** What the student's forward pass keeps for backward. */
  activations: number;
  /** What the losses keep at full resolution, and the contrast's negatives. */
  losses: number;
  /** What operators need for a moment. */
  working: number;
  total: number;
}

const FLOAT = 4;
/** Temporary copies over what is kept: a rule of thumb; 0.3 was measured with ResNeSt-50 and 0.5 with MobileNetV2, at 256² on a CPU. */
const WORKING = 0.4;
/** Side of the image whose maps are counted; maps grow with the area. */
const PROBE = 128;

/** @param student prepared for training: what is frozen needs no gradients */
export function estimateMemory(student: CSRM, recipe: Recipe): MemoryEstimate {
  const { batch, data, optimizer: settings, contrast } = recipe;
  const images = batch.labelled + batch.unlabelled;
  const pixels = data.size[0] * data.size[1];
  const classes = student.classes + 1;
  const { all, trainable } = sizesOf(student);
  const parts = {
    networks: 2 * all * FLOAT,
    gradients: trainable * FLOAT,
    optimizer: moments(settings) * trainable * FLOAT,
    bank: (contrast.bank.background + (classes - 1) * contrast.bank.foreground) * student.headChannels * FLOAT,
    images: images * pixels * 3 * (1 + 2 * FLOAT),
    activations: images * activationBytes(student, recipe),
    losses: lossBytes(student, recipe, classes),
  };
  return summedUp(parts);
}

/**
 * The same for a step of the start classifier: tiles are as large as the image again, and P-NOC has a second network whose maps are kept
 * too while the gradient passes through it.
 * @param model prepared for training
 */
export function estimateStartMemory(model: Classifier, recipe: Recipe): MemoryEstimate {
  const { data, pretrain } = recipe;
  const pixels = data.size[0] * data.size[1];
  const { all, trainable } = sizesOf(model);
  const networks = pretrain.method === "pnoc" ? 2 : 1;
  const looks = { cam: 1, puzzle: 2, pnoc: 3 }[pretrain.method];
  const settings = { name: pretrain.optimizer, momentum: pretrain.momentum };
  return summedUp({
    networks: networks * all * FLOAT,
    gradients: trainable * FLOAT,
    optimizer: networks * moments(settings) * trainable * FLOAT,
    bank: 0,
    images: pretrain.batch * pixels * 3 * (1 + looks * FLOAT),
    activations: looks * pretrain.batch * activationBytes(model, recipe),
    // Of the losses P-NOC's alone are at full resolution: a mask an image and its steps.
    losses: pretrain.method === "pnoc" ? 4 * pretrain.batch * pixels * FLOAT : 0,
  });
}

function summedUp(parts: Omit<MemoryEstimate, "working" | "total">): MemoryEstimate {
  const working = WORKING * (parts.activations + parts.losses);
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, working);
  return { ...parts, working, total };
}

function sizesOf(model: Module): { all: number; trainable: number } {
  const sum = (tensors: Tensor[]) => tensors.reduce((total, { numel }) => total + numel, 0);
  const all = model.parameters();
  return { all: sum(all), trainable: sum(all.filter((each) => each.requiresGrad)) };
}

/** Values that the optimiser keeps for each that learns. */
function moments({ name, momentum }: Pick<Recipe["optimizer"], "name" | "momentum">): number {
  return name === "adamw" ? 2 : momentum > 0 ? 1 : 0;
}

/** Every loss at full resolution keeps one map of log-probabilities; one more is there while it is made. */
function lossBytes(student: CSRM, recipe: Recipe, classes: number): number {
  const { batch, data, segmentation, s2c, unsupervised, contrast } = recipe;
  const map = classes * data.size[0] * data.size[1] * FLOAT;
  const counts = [
    segmentation.weight > 0 ? batch.labelled : 0,
    segmentation.tags_weight > 0 ? batch.labelled : 0,
    s2c.weight === 0 ? 0 : batch.labelled + batch.unlabelled,
    unsupervised.weight > 0 ? batch.unlabelled : 0,
  ];
  const kept = counts.reduce((sum, count) => sum + count, 0) + 2 * Math.max(...counts);
  const negatives = classes * contrast.queries * contrast.negatives * student.headChannels * FLOAT;
  return kept * map + (contrast.weight > 0 ? negatives : 0);
}

/** Bytes that one image's maps take: outputs of convolutions, pools and normalisations that are no part of a convolution. */
function activationBytes(model: Classifier, recipe: Recipe): number {
  const [height, width] = recipe.data.size;
  const probe = [Math.min(PROBE, height), Math.min(PROBE, width)] as const;
  const half = precisionOf(recipe) !== "fp32";
  const float = half ? 2 : FLOAT;
  let bytes = 0;
  const count = (per: number) => (output: Tensor) => {
    bytes += output.numel * per;
  };
  const undo = [...model.namedModules().values()].flatMap((module) => {
    if (module instanceof Conv2d) return [watch(module, "convolve", count(float))];
    if (
      module instanceof GroupNorm ||
      module instanceof BatchNorm2d ||
      module instanceof AvgPool2d ||
      module instanceof SplAtConv2d
    ) {
      return [watch(module, "forward", count(float))];
    }
    return [];
  });
  try {
    const device = model.parameters()[0]!.device;
    noGrad(() => scope(() => void model.forward(zeros([1, 3, ...probe], { device }))));
  } finally {
    for (const each of undo) each();
  }
  return bytes * ((height * width) / (probe[0] * probe[1]));
}

/** Lets `see` look at what a module's method returns; the result takes that back. */
function watch<M extends Module>(module: M, method: keyof M & string, see: (output: Tensor) => void): () => void {
  const original = module[method] as (...args: unknown[]) => Tensor;
  const watched = (...args: unknown[]) => {
    const output = original.apply(module, args);
    see(output);
    return output;
  };
  Object.defineProperty(module, method, { value: watched, configurable: true });
  return () => void Reflect.deleteProperty(module, method);
}
