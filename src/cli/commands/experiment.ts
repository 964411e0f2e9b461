/** `csrm experiment`: the paper's tables and figures from runs of one's own, over several seeds. */
import type { Command } from "commander";
import { ablationOutcome } from "../../experiments/ablation.ts";
import { ablationRows, assertLossesOn, chosenRows } from "../../experiments/rows.ts";
import { wordsIn } from "../arguments.ts";
import { registerRefinement } from "../experiment-refinement.ts";
import {
  folderOf,
  RECIPE,
  TRAINED,
  type TrainingExperimentOptions,
  trainExperiment,
  withOutput,
  withTrainingOptions,
} from "../experiment-runs.ts";
import { registerCompare, registerQualitative, registerThreshold } from "../experiment-views.ts";

const ABLATION = `
Examples:
  csrm experiment ablation voc12-animals-ablation --seeds 0,1,2 --out experiments/animals
  csrm experiment ablation toy-ablation --rows s,m --set threads=1
  csrm experiment ablation toy-ablation --seeds 0,1,2 --dry-run      what is done, what is to do, how long it would take
${TRAINED}`;

type Options = TrainingExperimentOptions & { rows?: string[] };

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

function registerAblation(group: Command): void {
  const command = group
    .command("ablation")
    .description("Table 1: what each loss adds, every row trained from the same start.")
    .argument("<recipe>", RECIPE)
    .option("--rows <keys>", `only these rows: ${ablationRows.map(({ key }) => key).join(",")}`, wordsIn);
  withOutput(withTrainingOptions(command.addHelpText("after", ABLATION))).action((source: string, options: Options) => {
    const rows = chosenRows(ablationRows, options.rows);
    const check = ({ recipe }: { recipe: Parameters<typeof assertLossesOn>[0] }) => assertLossesOn(recipe, rows);
    const what = { experiment: "ablation", source, rows, outcomeOf: ablationOutcome, check };
    return trainExperiment(what, { ...options, out: folderOf("ablation", options, source) });
  });
}
