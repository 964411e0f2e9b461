/** What follows a step's losses: backward, clipping, the optimiser at its scheduled rate, and the teacher's move. */
import { processes, type Tensor } from "../torch/index.ts";
import type { Module } from "../torch/nn/index.ts";
import { clipGradNorm, type Optimizer } from "../torch/optim/index.ts";
import type { Recipe } from "./config.ts";
import { updateTeacher, updateTeacherStatistics } from "./ema.ts";
import { shareStatistics } from "./running-statistics.ts";
import { emaDecay, learningRateFactor, type Span } from "./schedules.ts";

export interface Update {
  /** The weighted sum of the losses. */
  total: Tensor;
  student: Module;
  teacher: Module;
  optimizer: Optimizer;
  /** Scales all learning rates; see createOptimizer. */
  setFactor(factor: number): void;
  recipe: Pick<Recipe, "optimizer" | "schedule" | "ema">;
  /** `step` counts from 0. */
  progress: Span & { step: number };
}

/** @returns the gradients' norm before clipping (null without gradients), the rates' factor and the teacher's decay of this step */
export function updateNetworks({ total, student, teacher, optimizer, setFactor, recipe, progress }: Update): {
  norm: Tensor | null;
  factor: number;
  decay: number;
} {
  const { step, steps, warmup } = progress;
  const { schedule, ema } = recipe;
  processes().backward(total);
  const norm = clipGradNorm(student.parameters(), recipe.optimizer.clip_norm);
  const factor = learningRateFactor(step, steps, schedule.decay);
  setFactor(factor);
  optimizer.step();
  optimizer.zeroGrad();
  const copySteps = schedule.ema_warmup_steps ?? warmup;
  const decay = emaDecay(step + 1, { warmup, copySteps, decay: ema.decay });
  shareStatistics(student);
  updateTeacher(teacher, student, decay);
  updateTeacherStatistics(teacher, student, decay);
  return { norm, factor, decay };
}
