/** What a dry run looks at, for each of the two trainings: network, plan, memory, and a step on random images. */
import type { Classifier } from "../models/classifier.ts";
import { buildModel, type ModelInfo } from "../models/model-file.ts";
import type { Recipe } from "../training/config.ts";
import { estimateMemory, estimateStartMemory, type MemoryEstimate } from "../training/memory-estimate.ts";
import { type FreezeSettings, startFreeze } from "../training/network.ts";
import { type Plan, planStart, planSteps } from "../training/plan.ts";
import { type RandomStep, randomStart, randomStep } from "../training/random-step.ts";

export interface DryTraining {
  kind: ModelInfo["kind"];
  /** Names that begin so are of pretrained parameters; the default of parameterGroups where absent. */
  pretrained?: readonly string[];
  /** Keys of the recipe that the memory of a step grows with. */
  sizes: string;
  freeze(recipe: Recipe): FreezeSettings;
  /** null where only the data tell how many steps there are, and `tagged` is null. */
  plan(recipe: Recipe, tagged: number | null): Plan | null;
  /** Its functions want the network loaded and prepared. */
  build(info: ModelInfo, recipe: Recipe): { model: Classifier; memory(): MemoryEstimate; step(): RandomStep };
}

export const dryTrainings: Record<"start" | "csrm", DryTraining> = {
  start: {
    kind: "classifier",
    pretrained: ["backbone."],
    sizes: "pretrain.batch or data.size",
    freeze: startFreeze,
    plan: (recipe, tagged) => (tagged === null ? null : planStart(recipe, tagged)),
    build(info, recipe) {
      const model = buildModel(info);
      return {
        model,
        memory: () => estimateStartMemory(model, recipe),
        step: () => randomStart(model, info, recipe),
      };
    },
  },
  csrm: {
    kind: "csrm",
    sizes: "batch.labelled, batch.unlabelled or data.size",
    freeze: (recipe) => recipe.model,
    plan(recipe, tagged) {
      const known = recipe.schedule.steps !== null && recipe.schedule.warmup_steps !== null;
      return tagged !== null || known ? planSteps(recipe, tagged ?? 0) : null;
    },
    build(info, recipe) {
      const csrm = { ...info, kind: "csrm" as const };
      const model = buildModel(csrm);
      return {
        model,
        memory: () => estimateMemory(model, recipe),
        step: () => randomStep(model, csrm, recipe),
      };
    },
  },
};
