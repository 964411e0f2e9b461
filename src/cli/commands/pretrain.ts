/** `csrm pretrain`: the start of a run, a plain CAM classifier trained on tags. */
import type { Command } from "commander";
import { openTrainingData } from "../../pipeline/prepare.ts";
import { pretrainOf } from "../../pipeline/run.ts";
import { duration } from "../../progress.ts";
import { print, printJson } from "../output.ts";
import { type RunOptions, withRun, withRunOptions } from "../run-options.ts";

const EXAMPLES = `
Examples:
  csrm pretrain toy --out runs/toy
  csrm pretrain my-recipe.yaml --set pretrain.epochs=4 --out runs/mine

Writes OUT/pretrain/model.safetensors, which csrm train goes on from.`;

export function register(program: Command): void {
  withRunOptions(
    program
      .command("pretrain")
      .description("Trains the plain CAM classifier that CSRM starts from.")
      .argument("<recipe>", "a YAML file, or the name of a built-in recipe"),
  )
    .addHelpText("after", EXAMPLES)
    .action(async (recipe: string, options: RunOptions) => {
      const done = await withRun(recipe, options, async (run, progress) =>
        pretrainOf(run, await openTrainingData(run.recipe, progress), progress),
      );
      if (done === null) return;
      if (options.json) printJson(done);
      else print(`${done.model}: ${done.steps} steps in ${duration(done.seconds)}`);
    });
}
