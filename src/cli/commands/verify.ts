/** `csrm verify`: the verification network of a run, trained on its label maps; or what it says of the test list, for VOC's server. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { expected } from "../../errors.ts";
import { renderText, summaryTable } from "../../evaluation/table.ts";
import { withLiveReport } from "../../pipeline/live-report.ts";
import { openTrainingData } from "../../pipeline/prepare.ts";
import { type Submission, writeSubmission } from "../../pipeline/submission.ts";
import { addToSummary, checkVerification, type Verified, verifyRun } from "../../pipeline/verify.ts";
import { duration } from "../../progress.ts";
import { type DryRunFlags, showVerifyDryRun, wantsDryRun, withDryRun } from "../dry-run.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireFile } from "../paths.ts";
import { collect } from "../recipe-options.ts";
import { type RunOptions, withProcessOptions, withRun, withRunOfOne } from "../run-options.ts";

interface VerifyOptions extends Omit<RunOptions, "freshStage"> {
  out: string;
  labels?: string;
  submission?: string;
}

const EXAMPLES = `
Examples:
  csrm verify --out runs/animals                       after csrm run voc12-animals-mobilenetv2 --out runs/animals
  csrm verify --out runs/animals --set verify.steps=4000 --fresh
  csrm verify voc12-animals-mobilenetv2 --labels masks/refined --set verify.list=animals_train --out runs/verify
  csrm verify voc12-deeplabv2 --out runs/voc           DeepLabV2 instead of DeepLabV3+
  csrm verify --nproc 2 --out runs/animals             trained in two processes; docs/scaling.md tells of many machines
  csrm verify --dry-run --out runs/animals             what it would do, and whether all is there
  csrm verify --submission voc.tar --out runs/voc      the test list, as the server of Pascal VOC takes it

Trains the network of the recipe's section verify on label maps that the run's own network makes of the training list (RUN/refine), or on
those of a folder; never on masks. Writes OUT/verify/model.safetensors, OUT/verify/predictions/<list>/{labels,crf}/<id>.png and, where lists have
masks, the figures in OUT/evaluate and OUT/report.html. The same command goes on where it stopped; with other
values of verify.predict it predicts and measures anew, with the same network.`;

export function register(program: Command): void {
  const command = program
    .command("verify")
    .description("Trains a segmentation network on a run's label maps, measures it, writes a submission.")
    .argument("[recipe]", "a YAML file, or the name of a built-in recipe (default: that of the run folder)")
    .requiredOption("--out <dir>", "run folder; the same command on the same folder goes on where it stopped")
    .option("--labels <dir>", "folder of label maps to train on, <id>.png (default: those of the run)")
    .option("--submission <file>", "no training: predict the list verify.test and write it as a tar for VOC's server")
    .option(
      "--set <key=value>",
      "another value for a key of the recipe, e.g. verify.steps=4000; may be repeated",
      collect,
      [],
    )
    .option("--fresh", "do the stage anew; the old one is kept beside it");
  withProcessOptions(command).option(...JSON_OPTION);
  withDryRun(command)
    .addHelpText("after", EXAMPLES)
    .action(async (recipe: string | undefined, options: VerifyOptions & DryRunFlags) => {
      const { out, labels, submission, fresh, json, nproc, processTimeout } = options;
      const beside = fresh ? "--fresh" : labels !== undefined ? "--labels" : nproc !== undefined ? "--nproc" : null;
      if (submission !== undefined && beside !== null)
        throw expected("--submission by itself", "the command line", `${beside} beside it`);
      // Better said before hours of prediction than after.
      if (submission !== undefined) requireFile(submission, ".tar", [], "--submission");
      if (wantsDryRun(options)) return showVerifyDryRun(recipe ?? recipeIn(out), options);
      const common = { out, set: options.set };
      if (submission !== undefined) {
        const written = await withRunOfOne(
          "csrm verify --submission",
          recipe ?? recipeIn(out),
          common,
          (run, progress) => writeSubmission(run, submission, progress),
        );
        if (json) printJson(written);
        else print(submissionText(written));
        return;
      }
      const freshStage = fresh ? ("verify" as const) : undefined;
      const verified = await withRun(
        recipe ?? recipeIn(out),
        { ...common, freshStage, nproc, processTimeout },
        async (run, progress) => {
          const result = await withLiveReport(run, progress, async (followed) => {
            const { classes } = await openTrainingData(run.recipe, followed);
            await checkVerification(run.recipe, classes);
            const done = await verifyRun(run, followed, { labels });
            if (done) addToSummary(run, done);
            return done;
          });
          return result && { ...result, report: run.reportFile };
        },
      );
      if (!verified) return;
      if (json) printJson(verified);
      else print(verifiedText(verified));
    });
}

/** The recipe of a run folder, as a path. @throws CsrmError when there is no run */
function recipeIn(out: string): string {
  const file = path.resolve(out, "config.yaml");
  if (existsSync(file)) return file;
  throw expected("a recipe", "csrm verify", "none", `there is no run at ${path.resolve(out)} that names one`);
}

function verifiedText({ model, steps, seconds, evaluations, report }: Verified & { report: string }): string {
  const table = evaluations.length > 0 ? `${renderText(summaryTable(evaluations))}\n\n` : "";
  return `${table}${model}: ${steps} steps, ${duration(seconds)} with its label maps\nreport: ${report}`;
}

function submissionText({ file, images, list, labels }: Submission): string {
  return `${file}: ${images} label maps of list ${list}, from ${labels}`;
}
