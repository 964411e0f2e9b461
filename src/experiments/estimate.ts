/** What an experiment would still do, without doing it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { dryRun } from "../pipeline/dry-run.ts";
import { isFinished, type Job, type Plan } from "./plan.ts";

export interface Estimate {
  jobs: { row: string; seed: number; path: string; state: "done" | "begun" | "to do" }[];
  /** Training steps of one row; null where they depend on data that cannot be opened. */
  steps_a_row: number | null;
  /** Rows that are not done, over all seeds, and their start classifiers. */
  rows_left: number;
  starts_left: number;
  /** Measured on random images; null where it was not tried. */
  seconds_a_step: number | null;
  /** What would keep it from running here. */
  problems: string[];
}

/** @param options.step whether to make one step on random images @throws CsrmError as isFinished */
export async function estimate(plan: Plan, options: { step: boolean; problems: readonly string[] }): Promise<Estimate> {
  const jobs = plan.jobs.map((job) => ({
    row: job.row?.label ?? "start",
    seed: job.seed,
    path: job.path,
    state: stateOf(job),
  }));
  const left = plan.jobs.filter((_, i) => jobs[i]!.state !== "done");
  // Rows differ in weights of losses alone; the last has all of them.
  const {
    plan: steps,
    step,
    problems,
  } = await dryRun(plan.jobs.at(-1)!.recipe, { ...options, training: "csrm", scored: true });
  return {
    jobs,
    steps_a_row: steps?.steps ?? null,
    rows_left: left.filter(({ row }) => row !== null).length,
    starts_left: left.filter(({ row }) => row === null).length,
    seconds_a_step: step?.seconds ?? null,
    problems,
  };
}

function stateOf(job: Job): Estimate["jobs"][number]["state"] {
  if (isFinished(job)) return "done";
  return existsSync(path.join(job.path, "config.yaml")) ? "begun" : "to do";
}
