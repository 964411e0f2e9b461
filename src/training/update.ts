/** What follows a step's losses: backward, clipping, the optimiser at its scheduled rate, and the teacher's move. */
import type { Tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";
import type { LossScaler, Optimizer } from "../torch/optim/index.ts";
import type { Recipe } from "./config.ts";
import { type Descended, descend } from "./descend.ts";
import { updateTeacher, updateTeacherStatistics } from "./ema.ts";
import { emaDecay, learningRateFactor, type Span } from "./schedules.ts";

export interface Update {
  /** The weighted sum of the losses. */
  total: Tensor;
  student: Module;
  teacher: Module;
  optimizer: Optimizer;
  /** Where losses are scaled. */
  scaler?: LossScaler | null;
  /** Scales all learning rates; see createOptimizer. */
  setFactor(factor: number): void;
  recipe: Pick<Recipe, "optimizer" | "schedule" | "ema">;
  /** `step` counts from 0. */
  progress: Span & { step: number };
}

/** @returns what became of the step, the rates' factor and the teacher's decay in it */
export function updateNetworks({
  total,
  student,
  teacher,
  optimizer,
  scaler = null,
  setFactor,
  recipe,
  progress,
}: Update): Descended & { factor: number; decay: number } {
  const { step, steps, warmup } = progress;
  const { schedule, ema } = recipe;
  const factor = learningRateFactor(step, steps, schedule.decay);
  setFactor(factor);
  const descended = descend({ total, network: student, optimizer, clipNorm: recipe.optimizer.clip_norm, scaler });
  const copySteps = schedule.ema_warmup_steps ?? warmup;
  const decay = emaDecay(step + 1, { warmup, copySteps, decay: ema.decay });
  updateTeacher(teacher, student, decay);
  updateTeacherStatistics(teacher, student, decay);
  return { ...descended, factor, decay };
}
