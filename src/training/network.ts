/** From a recipe to a network ready to train: built, weights loaded, frozen as asked, on its device, with its optimiser. */
import type { ClassTable } from "../data/types.ts";
import type { Backbone } from "../models/backbone.ts";
import { freeze, type Staged } from "../models/freeze.ts";
import { loadBackboneWeights, otherBackbone, readWeightsInfo } from "../models/load-weights.ts";
import type { ModelInfo } from "../models/model-file.ts";
import { type ParameterGroups, parameterGroups } from "../models/parameter-groups.ts";
import { backboneInfo, backbones } from "../models/registry.ts";
import { cpuHasBf16, type Precision, type Tensor, tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";
import { AdamW, LossScaler, type Optimizer, SGD } from "../torch/optim/index.ts";
import type { Recipe } from "./config.ts";

/** What the recipe's network is; normalisation and padding come from the recipe, else the weights' metadata, else defaults. */
export function describeModel(recipe: Recipe, kind: ModelInfo["kind"], classes: ClassTable): ModelInfo {
  const { backbone, weights, output_stride, padding, head_channels, decoder_stride } = recipe.model;
  const known = backboneInfo(backbone);
  const stated = weights ? readWeightsInfo(weights) : {};
  const theirs = backbones.find(({ name }) => name === stated.architecture)?.name;
  // Said here, since their padding may be one that this backbone does not have.
  if (weights && theirs !== undefined && theirs !== backbone)
    throw otherBackbone(weights, { wanted: backbone, theirs });
  return {
    kind,
    backbone,
    outputStride: output_stride,
    padding: padding === "auto" ? (stated.padding ?? "symmetric") : padding,
    headChannels: head_channels,
    decoderStride: decoder_stride,
    classes: { ids: classes.ids, names: classes.names },
    mean: recipe.data.mean ?? stated.normalisation?.mean ?? known.mean,
    std: recipe.data.std ?? stated.normalisation?.std ?? known.std,
  };
}

/** Loads ImageNet weights where the recipe names some. */
export function loadStart(model: { backbone: Backbone }, recipe: Recipe): void {
  if (recipe.model.weights) loadBackboneWeights(model.backbone, recipe.model.weights);
}

export interface FreezeSettings {
  batch_norm: "frozen" | "train";
  freeze: "none" | "stem" | "all_but_last";
}

/** What of a start classifier is frozen: its own settings, where it has any, else the network's. */
export function startFreeze({ pretrain, model }: Pick<Recipe, "pretrain" | "model">): FreezeSettings {
  return { batch_norm: pretrain.batch_norm ?? model.batch_norm, freeze: pretrain.freeze ?? model.freeze };
}

/** Freezes what the settings say of a network's backbone. */
export function freezeAs(model: { backbone: Staged }, settings: FreezeSettings): void {
  freeze(model, {
    stem: settings.freeze === "stem",
    stages: settings.freeze === "all_but_last" ? 3 : 0,
    batchNorm: settings.batch_norm === "frozen",
  });
}

/** Freezes what the settings say and puts the model in its training layout and place. */
export function prepare(model: Module & { backbone: Staged }, settings: FreezeSettings, device: string): void {
  freezeAs(model, settings);
  model.to({ device, memoryFormat: "channels_last" });
  model.train();
}

export interface OptimizerSettings {
  name: "sgd" | "adamw";
  /** Of pretrained parameters. */
  lr: number;
  lr_scratch: number;
  momentum: number;
  nesterov: boolean;
  weight_decay: number;
  bias_lr_multiplier: number;
}

/** An optimiser over the four groups (pretrained or scratch, weights or biases) and a way to scale all their rates. */
export function createOptimizer(
  model: Module,
  settings: OptimizerSettings,
  pretrained?: readonly string[],
): { optimizer: Optimizer; setFactor(factor: number): void } {
  const groups = parameterGroups(model, pretrained);
  const { lr, lr_scratch, bias_lr_multiplier: bias, weight_decay: weightDecay } = settings;
  const rates = {
    pretrainedWeights: [lr, weightDecay],
    pretrainedBiases: [lr * bias, 0],
    scratchWeights: [lr_scratch, weightDecay],
    scratchBiases: [lr_scratch * bias, 0],
  } satisfies Record<keyof ParameterGroups, [number, number]>;
  const list = Object.entries(rates).map(([name, [rate, decay]]) => ({
    parameters: groups[name as keyof ParameterGroups],
    lr: rate,
    weightDecay: decay,
  }));
  const base = list.map((group) => group.lr);
  const optimizer =
    settings.name === "sgd"
      ? new SGD(list, { momentum: settings.momentum, nesterov: settings.nesterov && settings.momentum > 0 })
      : new AdamW(list);
  const setFactor = (factor: number) =>
    list.forEach((group, i) => {
      group.lr = base[i]! * factor;
    });
  return { optimizer, setFactor };
}

/** The optimiser of a start classifier, the same for both networks of P-NOC: what is not backbone is new. */
export function startOptimizer(model: Module, pretrain: Recipe["pretrain"]): ReturnType<typeof createOptimizer> {
  const { optimizer: name, lr, lr_head_multiplier, momentum, weight_decay } = pretrain;
  const rates = { lr, lr_scratch: lr * lr_head_multiplier, bias_lr_multiplier: 1 };
  return createOptimizer(model, { name, ...rates, momentum, nesterov: false, weight_decay }, ["backbone."]);
}

/** What forward passes compute in: as the recipe says, or bfloat16 where the hardware multiplies it. */
export function precisionOf({ precision, device }: Pick<Recipe, "precision" | "device">): Precision {
  if (precision !== "auto") return precision;
  return device.startsWith("cuda") || cpuHasBf16() ? "bf16" : "fp32";
}

/** float16 loses small gradients unless losses are scaled; the other precisions have float32's range. */
export function lossScalerFor(recipe: Pick<Recipe, "precision" | "device">): LossScaler | null {
  return precisionOf(recipe) === "fp16" ? new LossScaler() : null;
}

/** What usually helps against a divergence, as TrainingTask tells it. @param rates the learning rate's keys in the recipe */
export function divergenceRemedy(recipe: Recipe, rates: string): string {
  const precision = precisionOf(recipe) !== "fp32" ? " or precision: fp32" : "";
  return `a lower learning rate (${rates})${precision} usually helps`;
}

/**
 * Images as the network wants them.
 * @param pixels [B, H, W, 3] uint8 RGB
 * @returns [B, 3, H, W] float32 in channels-last memory, (x / 255 − mean) / std
 */
export function normalise(pixels: Tensor, { mean, std }: Pick<ModelInfo, "mean" | "std">): Tensor {
  const { device } = pixels;
  const bytes = (values: readonly number[]) =>
    tensor(
      values.map((value) => value * 255),
      { device },
    );
  return pixels.float().sub(bytes(mean)).div(bytes(std)).permute([0, 3, 1, 2]); // [B, H, W, 3] → [B, 3, H, W]
}
