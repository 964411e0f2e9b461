/** An experiment that trains, from its plan to its table; the table is written anew after every run. */
import type { Progress } from "../progress.ts";
import { openExperiment, readExperiment, type StoredExperiment } from "./experiment-folder.ts";
import { type Outcome, writeOutcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";
import { runJobs } from "./run-jobs.ts";

/** The outcome so far of an experiment, and its files; null before there is anything to show. */
export type OutcomeOf = (
  plan: Plan,
  stored: StoredExperiment,
  progress: Progress,
) => Outcome | null | Promise<Outcome | null>;

export interface Finished {
  outcome: Outcome;
  /** table.md, table.csv, figure.svg, figure.png */
  files: string[];
}

/** @throws InterruptedError when asked to stop; calling again goes on */
export async function runExperiment(plan: Plan, outcomeOf: OutcomeOf, progress: Progress): Promise<Finished> {
  await openExperiment(plan);
  const write = async () => {
    // Read anew: another process may have added seeds or rows meanwhile, and the table shows all.
    const outcome = await outcomeOf(plan, readExperiment(plan.out), progress);
    return outcome && { outcome, files: await writeOutcome(plan.out, outcome) };
  };
  await runJobs(plan, progress, async () => void (await write()));
  return (await write())!;
}
