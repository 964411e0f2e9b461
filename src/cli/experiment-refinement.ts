/** `csrm experiment refinement`: Table 2, from trainings of its own or from finished runs. */
import path from "node:path";
import type { Command } from "commander";
import { expected } from "../errors.ts";
import { type MaskSupply, regionSupply, samSupply } from "../experiments/mask-supply.ts";
import { writeOutcome } from "../experiments/outcome.ts";
import { assertPlanRefinable, refinementOfRuns, refinementOutcome } from "../experiments/refinement.ts";
import { refinementTraining } from "../experiments/rows.ts";
import { createProgress } from "../progress.ts";
import { runtimeInfo } from "../torch/index.ts";
import { deviceName, requireDevice } from "./device.ts";
import {
  folderOf,
  RECIPE,
  showOutcome,
  TRAINED,
  type TrainingExperiment,
  type TrainingExperimentOptions,
  trainExperiment,
  withOutput,
  withTrainingOptions,
} from "./experiment-runs.ts";
import { interruptible } from "./interruptible.ts";
import { requireOneProcess } from "./joined.ts";
import { type MergeFlags, mergeOptions, withMerge } from "./refine/merge.ts";
import { encoderPrecision, type PrecisionFlag, withPrecision } from "./sam-precision.ts";

interface RefinementFlags extends MergeFlags {
  regions: boolean;
  samMasks?: string;
  samWeights?: string;
  samDevice: string;
  precision: PrecisionFlag;
}

type Options = TrainingExperimentOptions & RefinementFlags & { runs?: string[] };

const HELP = `
Examples:
  csrm experiment refinement voc12-animals-mobilenetv2 --seeds 0,1
  csrm experiment refinement --runs runs/animals-0 runs/animals-1 --out experiments/animals-crf
  csrm experiment refinement --runs experiments/animals                  the start and the last row of every seed of an ablation
  csrm experiment refinement --runs experiments/animals --sam-masks sam-masks --rule max_iou_imp2      masks of csrm propose

Rows are start and CSRM, each as it is, with the dense CRF, with masks (regions of even colour; masks of Segment Anything where they are
given), and with the dense CRF and then masks. What a run lacks is made in OUT/refine and OUT/masks, without any training; runs stay as they
are. The same command goes on where it stopped. Without --out, a table of --runs goes to experiments/refinement-NAME, NAME being that of
the first run or experiment.
${TRAINED}`;

export function registerRefinement(group: Command): void {
  const command = group
    .command("refinement")
    .description("Table 2: start and CSRM, as they are and refined by the dense CRF, by regions and by masks.")
    .argument("[recipe]", RECIPE)
    .option(
      "--runs <dirs...>",
      "take these finished runs of one recipe, one a seed, or experiments, instead of training some",
    )
    .option("--no-regions", "no rows with regions of even colour")
    .option("--sam-masks <dir>", "rows with these masks of Segment Anything (csrm propose)")
    .option(
      "--sam-weights <file>",
      "make the masks that are missing with this file (csrm weights fetch gets one), in --sam-masks or OUT/masks/sam",
    )
    .option("--sam-device <device>", "for --sam-weights: cpu, cuda or cuda:N", deviceName, "cpu");
  withOutput(withTrainingOptions(withPrecision(withMerge(command)).addHelpText("after", HELP))).action(
    async (source: string | undefined, options: Options, self: Command) => {
      const out = folderOf("refinement", options, source ?? options.runs?.[0] ?? "");
      if ((source === undefined) === (options.runs === undefined)) {
        throw expected("either a recipe or --runs", "csrm experiment refinement", source ? "both" : "neither");
      }
      if (options.runs !== undefined) refuseTrainingOptions(self);
      const refining = { supplies: suppliesOf({ ...options, out }), merge: mergeOptions(options) };
      if (source === undefined) {
        requireOneProcess("csrm experiment refinement");
        const progress = createProgress();
        const work = () => refinementOfRuns(options.runs!, { ...refining, out, progress });
        const outcome = await interruptible(work, progress.note);
        return showOutcome({ outcome, files: await writeOutcome(out, outcome) }, options);
      }
      const what: TrainingExperiment = {
        ...{ experiment: "refinement", source, rows: [refinementTraining] },
        check: (plan) => assertPlanRefinable(plan, refining),
        outcomeOf: (plan, stored, progress) => refinementOutcome(plan, stored, { ...refining, progress }),
      };
      return trainExperiment(what, { ...options, out });
    },
  );
}

const OF_TRAINING = { seeds: "--seeds", set: "--set", dryRun: "--dry-run", step: "--no-step" };

/** @throws CsrmError for an option that says how to train, beside runs that are finished */
function refuseTrainingOptions(command: Command): void {
  const given = Object.entries(OF_TRAINING).find(([key]) => command.getOptionValueSource(key) === "cli");
  if (given === undefined) return;
  throw expected("--runs without options for training", "the command line", `${given[1]} beside it`);
}

/** @throws CsrmError when this machine has no such device, and as `samSupply` */
function suppliesOf(options: Options): MaskSupply[] {
  const { out, regions, samMasks, samWeights: weights = null, samDevice: device, precision } = options;
  const supplies = regions ? [regionSupply(out)] : [];
  if (samMasks === undefined && weights === null) return supplies;
  if (weights !== null) requireDevice(device, runtimeInfo().cudaDevices);
  const masks = samMasks ?? path.join(out, "masks", "sam");
  return [...supplies, samSupply({ out, masks, weights, device, precision: encoderPrecision(precision, device) })];
}
