/** Initial values of weights, drawn through libtorch's generator so that manualSeed determines them. */
import { noGrad, type Tensor } from "../index.ts";

/** Fills a tensor in place. */
export type Initialiser = (tensor: Tensor) => void;

let enabled = true;

/**
 * Runs a constructor without drawing weights: convolutions and linear layers are left at zero. For networks whose every
 * weight is copied in afterwards (teachers, checkpoints), where drawing a hundred million numbers would be wasted.
 */
export function withoutInit<T>(build: () => T): T {
  const before = enabled;
  enabled = false;
  try {
    return build();
  } finally {
    enabled = before;
  }
}

/** Applies an initialiser outside autograd, unless withoutInit is in force. */
export function initialise(tensor: Tensor, init: Initialiser): void {
  if (enabled) noGrad(() => init(tensor));
}

/** N(0, 2/fan) with gain √2 for ReLU (He et al. 2015). Fan-out of a k×k convolution is k²·out, whatever its groups. */
export function kaimingNormal(mode: "fan_in" | "fan_out"): Initialiser {
  return (tensor) => {
    const fan = mode === "fan_in" ? fanIn(tensor) : fanOut(tensor);
    tensor.normal_(0, Math.sqrt(2 / fan));
  };
}

/** N(0, std²). */
export function normalInit(std: number): Initialiser {
  return (tensor) => {
    tensor.normal_(0, std);
  };
}

/** U(−bound, bound). */
export function uniformInit(bound: number): Initialiser {
  return (tensor) => {
    tensor.uniform_(-bound, bound);
  };
}

/** PyTorch's default for convolution and linear weights: U(±1/√fan_in). */
export function defaultWeightInit(tensor: Tensor): void {
  uniformInit(1 / Math.sqrt(fanIn(tensor)))(tensor);
}

/** Inputs of one output unit: the product of dimensions 1… of the weight. */
export function fanIn(weight: Tensor): number {
  return weight.shape.slice(1).reduce((product, size) => product * size, 1);
}

function fanOut(weight: Tensor): number {
  return weight.shape[0]! * weight.shape.slice(2).reduce((product, size) => product * size, 1);
}
