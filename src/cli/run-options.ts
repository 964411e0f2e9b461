/** What run, pretrain and train have in common: a recipe with overrides, a run folder, and work that Ctrl-C lets go on later. */
import path from "node:path";
import type { Command } from "commander";
import { createProgress, type Progress } from "../progress.ts";
import { type OpenRunOptions, openRun, type Run } from "../run-folder.ts";
import { loadRecipe } from "../training/config.ts";
import { withToyRoot } from "../training/recipe-data.ts";
import { requireDevice } from "./device.ts";
import { interruptible } from "./interruptible.ts";
import { JSON_OPTION } from "./output.ts";
import { requireOutside } from "./paths.ts";
import { collect } from "./recipe-options.ts";

export interface RunOptions {
  out?: string;
  set: string[];
  fresh?: boolean;
  freshStage?: OpenRunOptions["freshStage"];
  json?: boolean;
}

/** Adds the options that every such command has. */
export function withRunOptions(command: Command): Command {
  return command
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
    .option("--fresh", "begin anew; the old run is kept beside it")
    .option(...JSON_OPTION);
}

/** Opens the run of a recipe and does the work in it; the folder is released whatever happens. */
export async function withRun<Result>(
  recipeName: string,
  options: RunOptions,
  work: (run: Run, progress: Progress) => Promise<Result>,
): Promise<Result> {
  const loaded = loadRecipe(recipeName, { set: options.set });
  requireDevice(loaded.device);
  const out = options.out ?? path.join("runs", loaded.name);
  const { layout, root } = loaded.data;
  if (layout === "folder" && root !== null) requireOutside(out, root);
  const progress = createProgress();
  return interruptible(async () => {
    const run = openRun({
      out,
      recipe: withToyRoot(loaded, out),
      fresh: options.fresh,
      freshStage: options.freshStage,
      commandLine: process.argv.slice(2),
      note: progress.note,
    });
    try {
      return await work(run, progress);
    } finally {
      run.close();
    }
  }, progress.note);
}
