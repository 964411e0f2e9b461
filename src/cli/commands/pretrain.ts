/** `csrm pretrain`: the start of a run, a classifier trained on tags: plain, Puzzle-CAM or P-NOC. */
import { type Command, Option } from "commander";
import { withLiveReport } from "../../pipeline/live-report.ts";
import { openTrainingData } from "../../pipeline/prepare.ts";
import { pretrainOf } from "../../pipeline/run.ts";
import { duration } from "../../progress.ts";
import { type DryRunFlags, showDryRun, wantsDryRun, withDryRun } from "../dry-run.ts";
import { print, printJson } from "../output.ts";
import { type RunOptions, withRun, withRunOptions } from "../run-options.ts";

const EXAMPLES = `
Examples:
  csrm pretrain toy --out runs/toy
  csrm pretrain my-recipe.yaml --set pretrain.epochs=4 --out runs/mine
  csrm pretrain toy --method puzzle --out runs/puzzle
  csrm pretrain voc12-rs101 --dry-run                 what it would do, and whether it fits
  csrm pretrain toy --method pnoc --set pretrain.pnoc.oc.weights=runs/toy/pretrain/model.safetensors --out runs/pnoc

cam learns from tags alone. puzzle (Puzzle-CAM) also makes the maps of an image's four quarters agree with those of the whole image.
pnoc (P-NOC) further sets a second classifier against the maps; unless the recipe names its file, that is trained first, in OUT/pretrain/oc.

Writes OUT/pretrain/model.safetensors, which csrm train goes on from. --method is short for --set pretrain.method=…, so csrm train and
csrm run on the same folder need that as well.`;

interface PretrainCommandOptions extends RunOptions {
  method?: string;
}

export function register(program: Command): void {
  const command = withRunOptions(
    program
      .command("pretrain")
      .description("Trains the classifier that CSRM starts from.")
      .argument("<recipe>", "a YAML file, or the name of a built-in recipe")
      .addOption(
        new Option("--method <method>", "what it learns by (default: the recipe's pretrain.method)").choices([
          "cam",
          "puzzle",
          "pnoc",
        ]),
      ),
  );
  withDryRun(command)
    .addHelpText("after", EXAMPLES)
    .action(async (recipe: string, options: PretrainCommandOptions & DryRunFlags) => {
      const set = options.method === undefined ? options.set : [...options.set, `pretrain.method=${options.method}`];
      if (wantsDryRun(options)) {
        return showDryRun(recipe, { ...options, set }, { training: "start", scored: false });
      }
      const done = await withRun(recipe, { ...options, set }, (run, progress) =>
        withLiveReport(run, progress, async (followed) =>
          pretrainOf(run, await openTrainingData(run.recipe, followed), followed),
        ),
      );
      if (done === null) return;
      if (options.json) printJson(done);
      else print(`${done.model}: ${done.steps} steps in ${duration(done.seconds)}`);
    });
}
