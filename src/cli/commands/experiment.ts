/** `csrm experiment`: the paper's tables and figures from runs of one's own, over several seeds. */
import path from "node:path";
import type { Command } from "commander";
import { expected } from "../../errors.ts";
import { ablationOutcome } from "../../experiments/ablation.ts";
import { writeOutcome } from "../../experiments/outcome.ts";
import { refinementOfRuns, refinementOutcome } from "../../experiments/refinement.ts";
import { ablationRows, assertLossesOn, chosenRows, refinementTraining } from "../../experiments/rows.ts";
import { wordsIn } from "../arguments.ts";
import {
  showOutcome,
  type TrainingExperimentOptions,
  trainExperiment,
  withOutput,
  withTrainingOptions,
} from "../experiment-runs.ts";
import { registerCompare, registerQualitative, registerThreshold } from "../experiment-views.ts";

const TRAINED = `
An experiment is a folder: table.md, table.csv, figure.svg and figure.png, experiment.yaml, and a run folder a row and seed in runs/. The
same command goes on where it stopped, and does nothing twice; other seeds and rows are added to those that are there.`;

const ABLATION = `
Examples:
  csrm experiment ablation voc12-animals-ablation --seeds 0,1,2 --out experiments/animals
  csrm experiment ablation toy-ablation --rows s,m --set threads=1
  csrm experiment ablation toy-ablation --seeds 0,1,2 --dry-run      what is done, what is to do, how long it would take
${TRAINED}`;

const REFINEMENT = `
Examples:
  csrm experiment refinement voc12-animals-mobilenetv2 --seeds 0,1
  csrm experiment refinement --runs runs/animals-0 runs/animals-1 --out experiments/animals-crf
${TRAINED}`;

type Options = TrainingExperimentOptions & { rows?: string[]; runs?: string[] };

export function register(program: Command): void {
  const group = program
    .command("experiment")
    .description("Tables and figures like the paper's, from runs of one's own, over several seeds.");
  registerAblation(group);
  registerRefinement(group);
  registerThreshold(group);
  registerCompare(group);
  registerQualitative(group);
}

const RECIPE = ["<recipe>", "a YAML file, or the name of a built-in recipe"] as const;

function registerAblation(group: Command): void {
  const command = group
    .command("ablation")
    .description("Table 1: what each loss adds, every row trained from the same start.")
    .argument(...RECIPE)
    .option("--rows <keys>", `only these rows: ${ablationRows.map(({ key }) => key).join(",")}`, wordsIn);
  withOutput(withTrainingOptions(command.addHelpText("after", ABLATION))).action((source: string, options: Options) => {
    const rows = chosenRows(ablationRows, options.rows);
    const check = ({ recipe }: { recipe: Parameters<typeof assertLossesOn>[0] }) => assertLossesOn(recipe, rows);
    const what = { experiment: "ablation", source, rows, outcomeOf: ablationOutcome, check };
    return trainExperiment(what, { ...options, out: folderOf("ablation", options, source) });
  });
}

function registerRefinement(group: Command): void {
  const command = group
    .command("refinement")
    .description("Table 2: start and CSRM, with and without the dense CRF.")
    .argument("[recipe]", RECIPE[1])
    .option("--runs <dirs...>", "take these finished runs of one recipe, one a seed, instead of training some");
  withOutput(withTrainingOptions(command.addHelpText("after", REFINEMENT))).action(
    async (source: string | undefined, options: Options) => {
      const out = folderOf("refinement", options, source ?? "runs");
      if ((source === undefined) === (options.runs === undefined)) {
        throw expected("either a recipe or --runs", "csrm experiment refinement", source ? "both" : "neither");
      }
      if (source === undefined) {
        const outcome = refinementOfRuns(options.runs!);
        return showOutcome({ outcome, files: await writeOutcome(out, outcome) }, options);
      }
      const what = { experiment: "refinement", source, rows: [refinementTraining], outcomeOf: refinementOutcome };
      return trainExperiment(what, { ...options, out });
    },
  );
}

function folderOf(experiment: string, { out }: { out?: string }, source: string): string {
  return out ?? path.join("experiments", `${experiment}-${path.basename(source).replace(/\.ya?ml$/, "")}`);
}
