/** Does the runs of an experiment one after the other; what is done is not done again. */
import path from "node:path";
import { safePoint } from "../interrupt.ts";
import { runPipeline } from "../pipeline/run.ts";
import type { Progress } from "../progress.ts";
import { openRun } from "../run-folder.ts";
import { isFinished, type Job, type Plan, runFolder } from "./plan.ts";

/**
 * Runs every job that is not finished; a job that was begun goes on where it stopped.
 * @param onFinished called after each
 * @throws InterruptedError when asked to stop; calling again goes on
 */
export async function runJobs(plan: Plan, progress: Progress, onFinished: () => Promise<void>): Promise<void> {
  for (const job of plan.jobs) {
    await safePoint();
    if (isFinished(job)) continue;
    progress.note(placeOf(plan, job));
    await runJob(plan, job, progress);
    await onFinished();
  }
}

/** "row 2 of 4 (+ L_s2c), seed 1 (2 of 3)" */
export function placeOf({ rows, seeds }: Plan, { row, seed }: Job): string {
  const which = row === null ? "start classifier" : `row ${rows.indexOf(row) + 1} of ${rows.length} (${row.label})`;
  return `${which}, seed ${seed} (${seeds.indexOf(seed) + 1} of ${seeds.length})`;
}

async function runJob({ out }: Plan, { row, seed, path: folder, recipe }: Job, progress: Progress): Promise<void> {
  const run = openRun({ out: folder, recipe, home: out, note: progress.note });
  try {
    if (row === null) {
      await runPipeline(run, under(progress, `start s${seed}`), { subjects: ["start"] });
    } else {
      const start = path.join(runFolder(out, "start", seed), "pretrain", "model.safetensors");
      await runPipeline(run, under(progress, `${row.key} s${seed}`), { start, subjects: ["csrm"] });
    }
  } finally {
    run.close();
  }
}

/** The same progress, with a word before every task. */
function under(progress: Progress, prefix: string): Progress {
  return {
    note: (text) => progress.note(text),
    task: (options) => progress.task({ ...options, label: `${prefix}: ${options.label}` }),
  };
}
