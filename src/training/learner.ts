/** A start classifier with its optimiser, and how a loss moves it at the scheduled rate. */
import type { Classifier } from "../models/classifier.ts";
import type { Tensor } from "../torch/index.ts";
import type { LossScaler, Optimizer } from "../torch/optim/index.ts";
import { type Descended, descend } from "./descend.ts";

export interface Learner {
  model: Classifier;
  optimizer: Optimizer;
  /** Scales all learning rates; see createOptimizer. */
  setFactor(factor: number): void;
  /** For float16. */
  scaler?: LossScaler | null;
}

/** @param options.clipNorm gradients are scaled down to this norm; null leaves them */
export function learn(
  { model, optimizer, setFactor, scaler = null }: Learner,
  total: Tensor,
  { clipNorm, factor }: { clipNorm: number | null; factor: number },
): Descended {
  setFactor(factor);
  return descend({ total, network: model, optimizer, clipNorm, scaler });
}
