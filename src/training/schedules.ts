/** Every quantity that changes over training, as pure functions of the step. Nothing here knows of tensors, files or time. */

/** A constant, or a straight line from the end of the warm-up to the end of training. */
export type Ramp = number | { from: number; to: number };

export interface Span {
  /** Steps of warm-up, in which only L_c and L_s are active. */
  warmup: number;
  /** All steps. */
  steps: number;
}

/** t = (step − warmup)/(steps − warmup), held within 0..1; `step` counts from 0. */
export function rampPosition(step: number, { warmup, steps }: Span): number {
  if (steps <= warmup) return step < warmup ? 0 : 1;
  return Math.min(1, Math.max(0, (step - warmup) / (steps - warmup)));
}

/** A ramp's value at t, 0..1. */
export function rampValue(ramp: Ramp, t: number): number {
  return typeof ramp === "number" ? ramp : ramp.from + (ramp.to - ramp.from) * t;
}

export type Decay = "linear" | "poly" | "constant";

/** What the learning rates are multiplied with at a step, counted from 0: 1 − g/G, its 0.9th power, or 1. */
export function learningRateFactor(step: number, steps: number, decay: Decay): number {
  if (decay === "constant") return 1;
  const left = Math.max(0, 1 - step / steps);
  return decay === "linear" ? left : left ** 0.9;
}

export interface EmaSchedule {
  /** Steps of loss warm-up; the ramp counts from their end, or from that of the copying where it ends sooner. */
  warmup: number;
  /** While no more than this many updates are done, the teacher is a copy of the student. */
  copySteps: number;
  /** The decay that the ramp ends at, 0..1. */
  decay: number;
}

/**
 * The teacher's decay after `done` optimiser updates (the one just made included): 0, a plain copy, at first; then
 * min(1 − 1/(1 + done − min(warmup, copySteps)), decay).
 */
export function emaDecay(done: number, { warmup, copySteps, decay }: EmaSchedule): number {
  if (done <= copySteps) return 0;
  return Math.min(1 - 1 / (1 + done - Math.min(warmup, copySteps)), decay);
}
