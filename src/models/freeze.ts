/** Freezing parts of a network's backbone. */
import { expected } from "../errors.ts";
import { BatchNorm2d, type Layer, type Module } from "../torch/nn/index.ts";

/** A backbone, or a network that is one but for its last layers. */
export type Staged = Module & {
  /** Layers before the first stage. */
  stemLayers(): Layer[];
  /** Layers of each of the four stages. */
  stageLayers(): Layer[][];
};

export interface FreezeOptions {
  /** Freezes the layers before the first stage. */
  stem?: boolean;
  /** Every batch normalisation of the backbone becomes a constant affine map of its running statistics. */
  batchNorm?: boolean;
  /** How many of the four stages to freeze, from the first on; any also freezes the stem. */
  stages?: number;
}

/**
 * Freezes parts of model.backbone: their parameters require no gradient, their batch normalisation keeps to its running
 * statistics, also while training. Never thaws. Call it before the optimiser takes the parameters.
 */
export function freeze(
  model: { backbone: Staged },
  { stem = false, batchNorm = false, stages = 0 }: FreezeOptions,
): void {
  const { backbone } = model;
  const groups = backbone.stageLayers();
  if (!Number.isInteger(stages) || stages < 0 || stages > groups.length) {
    throw expected(`a whole number in 0..${groups.length}`, "stages to freeze", stages);
  }
  const frozen: Module[] = stem || stages > 0 ? [...backbone.stemLayers()] : [];
  frozen.push(...groups.slice(0, stages).flat());
  for (const layer of frozen) {
    for (const tensor of layer.parameters()) tensor.requiresGrad_(false);
    freezeBatchNorm(layer);
  }
  if (batchNorm) freezeBatchNorm(backbone);
}

function freezeBatchNorm(module: Module): void {
  module.apply((each) => {
    if (each instanceof BatchNorm2d) each.freeze();
  });
}
