/** The training loop, the same for every stage: batch, step, numbers to the log, checkpoint; stops and goes on exactly. */
import { setImmediate } from "node:timers/promises";
import { CsrmError } from "../errors.ts";
import { processes, scope, type Tensor } from "../torch/index.ts";
import { type CheckpointContent, type CheckpointFolder, disposeAll, type SavedCheckpoint } from "./checkpoint.ts";
import type { Descended } from "./descend.ts";
import { agreeTo, assertShared, ofWholeBatch } from "./together.ts";

/** What one step tells. Tensors are read back only when they are logged. */
export interface StepReport extends Descended {
  total: Tensor;
  losses: Record<string, Tensor>;
  /** Further numbers for the log. */
  stats?: Record<string, Tensor | number>;
}

/** One stage's work: what a step is, and what must be saved to repeat it. `B` is a batch. */
export interface TrainingTask<B> {
  steps: number;
  /** What usually helps when the losses diverge, as the end of a sentence; names the recipe's keys. */
  readonly remedy: string;
  /** Images that could not be read and were replaced by others, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
  next(): Promise<B>;
  /** One whole optimisation step; runs in a scope of its own. @param step counted from 0 */
  step(batch: B, step: number): StepReport;
  save(): CheckpointContent;
  restore(saved: SavedCheckpoint): void;
  /** Frees what training alone needed; the networks belong to whoever made them. */
  close(): Promise<void>;
}

export interface StepRecord {
  /** Steps done, so the first record of a run has 1. */
  step: number;
  /** Seconds of training so far, pauses excluded. */
  time: number;
  total: number;
  losses: Record<string, number>;
  [number: string]: number | Record<string, number>;
}

export interface LoopOptions {
  checkpoints: CheckpointFolder;
  checkpointEvery: number;
  logEvery: number;
  /** Asked after every step; true saves and stops. */
  stop?: () => boolean;
  onRecord?: (record: StepRecord) => void;
  onStep?: (done: number, steps: number) => void;
  /** Called before the first step with the number of steps already done. */
  onStart?: (done: number) => void;
}

/**
 * Runs a task to its end, from its last checkpoint where there is one. Of several processes all run it, in step, and the first writes.
 * @returns whether it finished (false: stopped on request, to be gone on with later) and the seconds it took in all
 * @throws CsrmError when a loss or gradient is not finite; the last checkpoint, where there is one, stays as it was before
 */
export async function trainingLoop<B>(
  task: TrainingTask<B>,
  options: LoopOptions,
): Promise<{ finished: boolean; seconds: number }> {
  const { checkpoints, checkpointEvery, logEvery, stop = () => false } = options;
  let done = 0;
  let before = 0;
  let lastSaved: number | null = null;
  const saved = checkpoints.load();
  if (saved) {
    task.restore(saved);
    done = saved.step;
    lastSaved = done;
    before = Number(saved.state.seconds);
    disposeAll(saved);
  }
  assertShared("last checkpoint (its step)", done);
  options.onStart?.(done);
  const started = performance.now();
  const seconds = () => before + (performance.now() - started) / 1000;
  const check = (report: StepReport, step: number) => assertFinite(report, { step, lastSaved, remedy: task.remedy });

  while (done < task.steps) {
    const batch = await task.next();
    const logged = (done + 1) % logEvery === 0 || done + 1 === task.steps || done === 0;
    const report = scope(() => {
      const { total, losses, norm, scaling, stats } = task.step(batch, done);
      // On a GPU reading a number waits for it, so there only steps that are logged or saved are looked at.
      if (logged || total.device === "cpu") check({ total, losses, norm, scaling }, done);
      // JSON has no infinity: of a step left out for numbers beyond float16 there is nothing to record but what is finite.
      const finite = !scaling?.now || Number.isFinite(total.item());
      if (logged && finite)
        options.onRecord?.(recordOf(ofWholeBatch({ total, losses, norm, scaling, stats }), done + 1, seconds()));
      return { total, losses, norm, scaling };
    });
    done++;
    options.onStep?.(done, task.steps);
    // A step is one long synchronous call; signals and finished decodes are seen only when the event loop turns.
    await setImmediate();
    const stopping = agreeTo(stop());
    if (stopping || done % checkpointEvery === 0 || done === task.steps) {
      check(report, done - 1);
      // What a task makes for saving (a copy of the whole bank) ends here, not when the collector gets to it.
      scope(() => {
        const content = task.save();
        if (processes().rank > 0) return;
        checkpoints.save(done, { ...content, state: { ...content.state, seconds: seconds() } });
      });
      lastSaved = done;
    }
    for (const tensor of [report.total, report.norm, ...Object.values(report.losses)]) tensor?.dispose();
    if (stopping && done < task.steps) return { finished: false, seconds: seconds() };
  }
  return { finished: true, seconds: seconds() };
}

interface CheckContext {
  /** Counted from 0. */
  step: number;
  /** Steps done at the last checkpoint; null where there is none. */
  lastSaved: number | null;
  remedy: string;
}

function assertFinite({ total, losses, norm, scaling }: StepReport, { step, lastSaved, remedy }: CheckContext): void {
  const bad: string[] = [];
  if (scaling?.now) {
    // Too large a scale makes float16 overflow, which the next scale mends; what a scale below 1 does not mend is no overflow of it.
    if (scaling.scale < 1) bad.push(`gradients are not finite, the loss scale having fallen to ${scaling.scale}`);
  } else if (!Number.isFinite(total.item())) {
    for (const [name, loss] of Object.entries(losses)) {
      const value = loss.item();
      if (!Number.isFinite(value)) bad.push(`loss ${name} is ${value}`);
    }
    if (bad.length === 0) bad.push(`the total loss is ${total.item()}`);
  } else if (norm && !Number.isFinite(norm.item())) {
    bad.push(`the gradients' norm is ${norm.item()}`);
  }
  if (bad.length === 0) return;
  const kept = lastSaved === null ? "There is no checkpoint yet" : `The last checkpoint is from step ${lastSaved}`;
  throw new CsrmError(`training stopped at step ${step + 1}: ${bad.join(", ")}. ${kept}; ${remedy}`, {
    code: "diverged",
  });
}

function recordOf(report: StepReport, step: number, time: number): StepRecord {
  const { scaling } = report;
  const number = (value: Tensor | number) => (typeof value === "number" ? value : value.item());
  const entries = (values: Record<string, Tensor | number>) =>
    Object.fromEntries(
      Object.entries(values)
        .map(([name, value]) => [name, number(value)] as const)
        .filter(([, value]) => !scaling?.now || Number.isFinite(value)),
    );
  return {
    step,
    time: Math.round(time * 1000) / 1000,
    total: report.total.item(),
    losses: entries(report.losses),
    ...entries({ ...(report.norm && { norm: report.norm }), ...report.stats }),
    ...(scaling && { loss_scale: scaling.scale, skipped_steps: scaling.skipped }),
  };
}
