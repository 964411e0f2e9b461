/** From a loss to a changed network: backward, clipping and the optimiser's step, with scaled losses where float16 needs them. */
import { processes, scope, type Tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";
import { clipGradNorm, type LossScaler, type Optimizer } from "../torch/optim/index.ts";
import { shareStatistics } from "./running-statistics.ts";

export interface Descent {
  total: Tensor;
  network: Module;
  optimizer: Optimizer;
  /** null: no clipping. */
  clipNorm: number | null;
  scaler: LossScaler | null;
}

export interface Descended {
  /** The gradients' norm before clipping; null when nothing had a gradient. */
  norm: Tensor | null;
  /** With a scaler: the scale from now on, the steps left out so far, and whether this one was. */
  scaling?: { scale: number; skipped: number; now: boolean };
}

/** Leaves no gradients. With a scaler one number is read back; a step whose gradients are not finite changes nothing but the scale. */
export function descend({ total, network, optimizer, clipNorm, scaler }: Descent): Descended {
  scope(() => processes().backward(scaler ? scaler.scaled(total) : total, network));
  const parameters = network.parameters();
  scaler?.unscale(parameters);
  const norm = clipGradNorm(parameters, clipNorm);
  const finite = !scaler || norm === null || Number.isFinite(norm.item());
  if (finite) optimizer.step();
  optimizer.zeroGrad();
  shareStatistics(network);
  if (!scaler) return { norm };
  if (norm !== null) scaler.update(finite);
  return { norm, scaling: { scale: scaler.scale, skipped: scaler.skipped, now: !finite } };
}
