/** The parts of `csrm experiment` that train: options, the work itself, a dry run, and how they are shown. */
import path from "node:path";
import type { Command } from "commander";
import { renderText } from "../evaluation/table.ts";
import { type Estimate, estimate } from "../experiments/estimate.ts";
import { type Plan, planOf } from "../experiments/plan.ts";
import { changesTable, figuresTable, resultsJson } from "../experiments/render.ts";
import type { TrainingRow } from "../experiments/rows.ts";
import { type Finished, type OutcomeOf, runExperiment } from "../experiments/run-experiment.ts";
import { createProgress, duration } from "../progress.ts";
import { numbersIn } from "./arguments.ts";
import { requireDevice } from "./device.ts";
import { type DryRunFlags, deviceProblems, wantsDryRun } from "./dry-run.ts";
import { interruptible } from "./interruptible.ts";
import { requireOneProcess } from "./joined.ts";
import { JSON_OPTION, print, printJson } from "./output.ts";
import { requireOutside } from "./paths.ts";
import { collect } from "./recipe-options.ts";

export interface TrainingExperimentOptions extends DryRunFlags {
  out: string;
  seeds: number[];
  set: string[];
  json?: boolean;
}

/** The recipe, as an argument of a command. */
export const RECIPE = "a YAML file, or the name of a built-in recipe";

/** What every help text of them says. */
export const TRAINED = `
An experiment is a folder: table.md, table.csv, figure.svg and figure.png, experiment.yaml, and a run folder a row and seed in runs/. The
same command goes on where it stopped, and does nothing twice; other seeds and rows are added to those that are there.`;

/** Where an experiment goes when --out does not say. */
export function folderOf(experiment: string, { out }: { out?: string }, source: string): string {
  return (
    out ?? path.join("experiments", `${experiment}-${path.basename(path.resolve(source)).replace(/\.ya?ml$/, "")}`)
  );
}

/** Adds the options of every experiment that trains. */
export function withTrainingOptions(command: Command): Command {
  return command
    .option(
      "--seeds <numbers>",
      "seeds of the runs, separated by commas; more of them can be added later",
      numbersIn({ least: 0 }),
      [0],
    )
    .option("--set <key=value>", "another value for a key of the recipe in all runs; may be repeated", collect, [])
    .option(
      "--dry-run",
      "do nothing, but list the runs, those done and those to do, and how long they would train; exit code 1 when something is missing",
    )
    .option("--no-step", "with --dry-run: no step on random images");
}

/** --out and --json, which every experiment has. */
export function withOutput(command: Command): Command {
  return command
    .option(
      "--out <dir>",
      "the experiment's folder (default: experiments/NAME); the same command on it goes on where it stopped",
    )
    .option(...JSON_OPTION);
}

export interface TrainingExperiment {
  experiment: string;
  source: string;
  rows: readonly TrainingRow[];
  outcomeOf: OutcomeOf;
  /** Looks at the plan before anything is done. */
  check?: (plan: Plan) => void | Promise<void>;
}

/** Runs the experiment, or shows what it would do, and prints what came of it. */
export async function trainExperiment(what: TrainingExperiment, options: TrainingExperimentOptions): Promise<void> {
  const { experiment, source, rows, outcomeOf, check } = what;
  requireOneProcess(`csrm experiment ${experiment}`);
  const { set, seeds, out } = options;
  const plan = planOf({ experiment, source, rows, set, seeds, out });
  await check?.(plan);
  if (wantsDryRun(options)) return showEstimate(plan, options);
  const { device, data } = plan.recipe;
  requireDevice(device);
  if (data.layout === "folder" && data.root !== null) requireOutside(plan.out, data.root);
  const progress = createProgress();
  const finished = await interruptible(() => runExperiment(plan, outcomeOf, progress), progress.note);
  showOutcome(finished, options);
}

/** Prints figures and where the files are. */
export function showOutcome({ outcome, files }: Finished, { json }: { json?: boolean }): void {
  const { title, results } = outcome;
  const changes = changesTable(results);
  const texts = [
    `mIoU %\n${renderText(figuresTable(results))}`,
    ...(changes ? [`change in points (and in percent)\n${renderText(changes)}`] : []),
    files.join("\n"),
  ];
  if (json) printJson({ title, ...resultsJson(results), files });
  else print(texts.join("\n\n"));
}

async function showEstimate(plan: Plan, options: TrainingExperimentOptions): Promise<void> {
  const { step } = options;
  const found = await estimate(plan, { step, problems: deviceProblems(plan.recipe.device) });
  if (options.json) printJson(found);
  else print(asText(found));
  if (found.problems.length > 0) process.exitCode = 1;
}

function asText({ jobs, steps_a_row, rows_left, starts_left, seconds_a_step, problems }: Estimate): string {
  const table = {
    header: ["run", "seed", "", "folder"],
    textColumns: [2, 3],
    rows: jobs.map(({ row, seed, state, path: folder }) => [row, String(seed), state, shorter(folder)]),
  };
  const steps = steps_a_row === null ? null : steps_a_row * rows_left;
  const time = steps !== null && seconds_a_step !== null ? `, about ${duration(steps * seconds_a_step)} here` : "";
  const lines = [
    `${rows_left} rows are left to train${steps === null ? "" : `: ${steps.toLocaleString("en")} steps${time}`}`,
    `${starts_left} start classifiers are left to train; prediction and evaluation come on top`,
    ...problems.map((problem) => `PROBLEM   ${problem}`),
  ];
  return `${renderText(table)}\n\n${lines.join("\n")}`;
}

/** A path from here, where that is shorter. */
function shorter(file: string): string {
  const relative = path.relative("", file);
  return relative.length < file.length ? relative : file;
}
