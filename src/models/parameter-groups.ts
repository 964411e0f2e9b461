/** Splits trainable parameters by origin (pretrained or scratch) and kind (weights or biases), for rates and decay. */
import type { Tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";

export interface ParameterGroups {
  pretrainedWeights: Map<string, Tensor>;
  pretrainedBiases: Map<string, Tensor>;
  scratchWeights: Map<string, Tensor>;
  scratchBiases: Map<string, Tensor>;
}

/** Names of what a CSRM network takes over from a start classifier. */
const restored = ["backbone.", "classifier."] as const;

/**
 * Groups parameters by name: "weight" in the name decides, so scales of normalisations count as weights. Frozen
 * parameters are in no group.
 * @param pretrained name prefixes of restored parameters. Default: backbone and classifier; for a start classifier, whose
 *   classifier is new, pass ["backbone."]
 */
export function parameterGroups(model: Module, pretrained: readonly string[] = restored): ParameterGroups {
  const groups: ParameterGroups = {
    pretrainedWeights: new Map(),
    pretrainedBiases: new Map(),
    scratchWeights: new Map(),
    scratchBiases: new Map(),
  };
  for (const [name, tensor] of model.namedParameters()) {
    if (!tensor.requiresGrad) continue;
    const origin = pretrained.some((prefix) => name.startsWith(prefix)) ? "pretrained" : "scratch";
    groups[`${origin}${name.includes("weight") ? "Weights" : "Biases"}`].set(name, tensor);
  }
  return groups;
}
