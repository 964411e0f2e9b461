/** What every backbone offers: a stem, four stages, the two maps that the heads read, and an optional ImageNet classifier. */

import { scope, type Tensor } from "../torch/index.ts";
import { type Layer, Module } from "../torch/nn/index.ts";

export type OutputStride = 8 | 16 | 32;
export type BackbonePadding = "symmetric" | "tf_same";

export interface BackboneOptions {
  /** Input size over the size of the last map; strides beyond it become dilation. Default 16. */
  outputStride?: OutputStride;
  /** How stride-2 convolutions pad; must be the one that the weights were trained with. Default "symmetric". */
  padding?: BackbonePadding;
  /** Adds the pretraining's classifier with so many outputs (1000 for ImageNet). Default 0: none. */
  classes?: number;
}

export const backboneDefaults = {
  outputStride: 16,
  padding: "symmetric",
  classes: 0,
} satisfies Required<BackboneOptions>;

/** Maps that the heads read: `low` at stride 4, `high` at the output stride. Sizes are ceil(input / stride). */
export interface Features {
  low: Tensor;
  high: Tensor;
}

export abstract class Backbone extends Module {
  abstract readonly lowChannels: number;
  abstract readonly highChannels: number;
  abstract readonly outputStride: OutputStride;
  /** State-dict names of the layers whose outputs stages() returns. */
  abstract readonly stageNames: readonly string[];

  /** Layers before the first stage. */
  abstract stemLayers(): Layer[];

  /** Layers of each of the four stages. */
  abstract stageLayers(): Layer[][];

  /** Image [B, 3, H, W] → [B, C, H/s, W/s]: everything before the first stage. */
  abstract stem(x: Tensor): Tensor;

  /** Last map [B, highChannels, h, w] → [B, classes] of the pretraining's classifier; an error if there is none. */
  abstract classify(high: Tensor): Tensor;

  /** Image [B, 3, H, W] → the outputs of the four stages. What backward does not need of the maps between is freed. */
  stages(x: Tensor): Tensor[] {
    let y = this.stem(x);
    return this.stageLayers().map((layers) => {
      const input = y;
      y = scope(() => layers.reduce((map, layer) => layer.forward(map), input));
      return y;
    });
  }

  /** Normalised image [B, 3, H, W] → {low [B, lowChannels, H/4, W/4], high [B, highChannels, H/OS, W/OS]}. */
  forward(x: Tensor): Features {
    return scope(() => {
      const outputs = this.stages(x);
      return { low: outputs[0]!, high: outputs.at(-1)! };
    });
  }
}

/** How a stage is strided and dilated. */
export interface StageStride {
  stride: 1 | 2;
  /** Of the first block: that of the stage before. */
  firstDilation: number;
  dilation: number;
}

/**
 * Strides and dilations of stages that would each halve the map, kept within an output stride: a stage that may not halve
 * any more has stride 1 and doubles the dilation, but for its first block (torchvision's replace_stride_with_dilation;
 * ResNeSt follows the same rule).
 * @param stages number of halving stages
 * @param inputStride stride of the map that enters the first of them
 */
export function strideStages(stages: number, inputStride: number, outputStride: OutputStride): StageStride[] {
  let total = inputStride;
  let dilation = 1;
  return Array.from({ length: stages }, () => {
    const firstDilation = dilation;
    if (total * 2 <= outputStride) {
      total *= 2;
      return { stride: 2, firstDilation, dilation };
    }
    dilation *= 2;
    return { stride: 1, firstDilation, dilation };
  });
}
