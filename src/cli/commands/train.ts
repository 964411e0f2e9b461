/** `csrm train`: the main training of a run, from its start classifier or another. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { expected } from "../../errors.ts";
import { openTrainingData } from "../../pipeline/prepare.ts";
import { trainOf } from "../../pipeline/run.ts";
import { duration } from "../../progress.ts";
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
      if (wantsDryRun(options)) return showDryRun(recipe, options, false);
      const done = await withRun(recipe, options, async (run, progress) => {
        const dataset = await openTrainingData(run.recipe, progress);
        const start = options.start ?? path.join(run.path, "pretrain", "model.safetensors");
        if (!existsSync(start)) {
          throw expected(
            "a start classifier",
            "--start",
            start,
            "make one with csrm pretrain on the same --out, or name one",
          );
        }
        return trainOf(run, dataset, { progress, start });
      });
      if (done === null) return;
      if (options.json) printJson(done);
      else print(`${done.model}: ${done.steps} steps in ${duration(done.seconds)}`);
    });
}
