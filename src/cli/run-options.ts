/** What run, pretrain, train and verify have in common: a recipe with overrides, a run folder, and work that Ctrl-C lets go on later. */
import { availableParallelism } from "node:os";
import path from "node:path";
import type { Command } from "commander";
import { CsrmError } from "../errors.ts";
import type { Progress } from "../progress.ts";
import { type OpenRunOptions, openRun, Run } from "../run-folder.ts";
import { byFirst } from "../torch/index.ts";
import { loadRecipe } from "../training/config.ts";
import { withToyRoot } from "../training/recipe-data.ts";
import { readWorld } from "../world.ts";
import { requireDevice } from "./device.ts";
import { interruptible } from "./interruptible.ts";
import { joined, progressOf, requireOneProcess } from "./joined.ts";
import { launch } from "./launch.ts";
import { JSON_OPTION } from "./output.ts";
import { requireOutside } from "./paths.ts";
import { collect, wholeNumber } from "./recipe-options.ts";

export interface RunOptions {
  out?: string;
  set: string[];
  fresh?: boolean;
  freshStage?: OpenRunOptions["freshStage"];
  json?: boolean;
  /** Processes to start on this machine. */
  nproc?: number;
  /** Seconds that a process may be silent. */
  processTimeout?: number;
}

/** Seconds. */
const PROCESS_TIMEOUT = 60;

/** Adds the options that every such command has. */
export function withRunOptions(command: Command): Command {
  command
    .option(
      "--out <dir>",
      "run folder (default: runs/NAME); the same command on the same folder goes on where it stopped",
    )
    .option(
      "--set <key=value>",
      "another value for a key of the recipe, e.g. schedule.steps=200; may be repeated",
      collect,
      [],
    )
    .option("--fresh", "begin anew; the old run is kept beside it");
  return withProcessOptions(command).option(...JSON_OPTION);
}

/** Adds the options of commands that train in several processes. */
export function withProcessOptions(command: Command): Command {
  return command
    .option("--nproc <n>", "train in this many processes on this machine", wholeNumber(1))
    .option(
      "--process-timeout <seconds>",
      "several processes: how long one may be silent before the others give up",
      wholeNumber(1),
      PROCESS_TIMEOUT,
    );
}

/**
 * Opens the run of a recipe and does the work in it; the folder is released whatever happens. Of several processes the first opens it, and
 * all work.
 * @returns null where another process tells of the result
 */
export async function withRun<Result>(
  recipeName: string,
  options: RunOptions,
  work: (run: Run, progress: Progress) => Promise<Result>,
): Promise<Result | null> {
  const world = readWorld();
  if (options.nproc !== undefined && options.nproc > 1) {
    if (world.size > 1) {
      throw new CsrmError(`a launcher has started ${world.size} processes already; leave --nproc out`, {
        code: "expected",
      });
    }
    const cores = availableParallelism();
    if (options.nproc > cores) {
      console.error(
        `note: ${options.nproc} processes share ${cores} cores, and each holds a network and a batch of its own`,
      );
    }
    process.exitCode = await launch(options.nproc);
    return null;
  }
  const loaded = loadRecipe(recipeName, { set: options.set });
  requireDevice(loaded.device);
  const out = options.out ?? path.join("runs", loaded.name);
  const { layout, root } = loaded.data;
  if (layout === "folder" && root !== null) requireOutside(out, root);
  const progress = progressOf(world);
  const { fresh, freshStage } = options;
  const session = { out, fresh, freshStage, commandLine: process.argv.slice(2), note: progress.note };
  const recipe = withToyRoot(loaded, out);
  return interruptible(
    () =>
      joined(recipe, options.processTimeout ?? PROCESS_TIMEOUT, async (own) => {
        const opened = await byFirst("open", () => openRun({ ...session, recipe }));
        const run = opened?.as(own) ?? Run.ofAnother(out, own);
        try {
          const result = await work(run, progress);
          return world.rank === 0 ? result : null;
        } finally {
          run.close();
        }
      }),
    progress.note,
  );
}

/** As withRun, for a command that works in one process. @throws CsrmError where a launcher has started several */
export async function withRunOfOne<Result>(
  command: string,
  ...[recipeName, options, work]: Parameters<typeof withRun<Result>>
): Promise<Result> {
  requireOneProcess(command);
  return (await withRun(recipeName, options, work)) as Result;
}
