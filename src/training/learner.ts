/** A start classifier with its optimiser, and how a loss moves it: backward, clipping, one step at the scheduled rate. */
import type { Classifier } from "../models/classifier.ts";
import { processes, type Tensor } from "../torch/index.ts";
import { clipGradNorm, type Optimizer } from "../torch/optim/index.ts";
import { shareStatistics } from "./running-statistics.ts";

export interface Learner {
  model: Classifier;
  optimizer: Optimizer;
  /** Scales all learning rates; see createOptimizer. */
  setFactor(factor: number): void;
}

/** @param options.clipNorm gradients are scaled down to this norm; null leaves them @returns their norm before; null without gradients */
export function descend(
  { model, optimizer, setFactor }: Learner,
  loss: Tensor,
  { clipNorm, factor }: { clipNorm: number | null; factor: number },
): Tensor | null {
  processes().backward(loss);
  const norm = clipGradNorm(model.parameters(), clipNorm);
  setFactor(factor);
  optimizer.step();
  optimizer.zeroGrad();
  shareStatistics(model);
  return norm;
}
