/** `csrm train`: the main training of a run, from its start classifier or another. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { expected } from "../../errors.ts";
import { withLiveReport } from "../../pipeline/live-report.ts";
import { openTrainingData } from "../../pipeline/prepare.ts";
import { trainOf } from "../../pipeline/run.ts";
import { duration } from "../../progress.ts";
import type { Run } from "../../run-folder.ts";
import { type DryRunFlags, showDryRun, wantsDryRun, withDryRun } from "../dry-run.ts";
import { print, printJson } from "../output.ts";
import { type RunOptions, withRun, withRunOptions } from "../run-options.ts";

const EXAMPLES = `
Examples:
  csrm train toy --out runs/toy                       after csrm pretrain toy --out runs/toy
  csrm train toy --start runs/toy/pretrain/model.safetensors --set contrast.weight=0 --out runs/no-contrast
  csrm train voc12-rs101 --dry-run                    what it would do: parameters, steps, memory, time
  csrm train toy --nproc 2 --out runs/toy             in two processes; docs/scaling.md tells of many machines

Writes OUT/train/model.safetensors, the teacher, which csrm predict takes.`;

export function register(program: Command): void {
  const command = withRunOptions(
    program
      .command("train")
      .description("Trains CSRM from a start classifier.")
      .argument("<recipe>", "a YAML file, or the name of a built-in recipe")
      .option("--start <file>", "start classifier (default: OUT/pretrain/model.safetensors)"),
  );
  withDryRun(command)
    .addHelpText("after", EXAMPLES)
    .action(async (recipe: string, options: RunOptions & DryRunFlags & { start?: string }) => {
      if (wantsDryRun(options)) return showDryRun(recipe, options, { training: "csrm", scored: false });
      const done = await withRun(recipe, options, (run, progress) =>
        withLiveReport(run, progress, async (followed) => {
          const dataset = await openTrainingData(run.recipe, followed);
          return trainOf(run, dataset, { progress: followed, start: startOf(run, options.start) });
        }),
      );
      if (done === null) return;
      if (options.json) printJson(done);
      else print(`${done.model}: ${done.steps} steps in ${duration(done.seconds)}`);
    });
}

function startOf(run: Run, given: string | undefined): string {
  const start = given ?? path.join(run.path, "pretrain", "model.safetensors");
  if (existsSync(start)) return start;
  throw expected("a start classifier", "--start", start, "make one with csrm pretrain on the same --out, or name one");
}
