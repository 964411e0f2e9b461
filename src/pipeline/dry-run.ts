/** What a recipe would do, without doing it: data, network, steps, memory, and one step on random images. Writes nothing. */
import { accessSync, constants } from "node:fs";
import { loadClasses, subsetClasses } from "../data/classes.ts";
import { labelledOnly } from "../data/dataset.ts";
import { FOLDERS } from "../data/tag-source.ts";
import type { ClassTable } from "../data/types.ts";
import { CsrmError, messageOf } from "../errors.ts";
import { readError } from "../files.ts";
import { readWeightsInfo } from "../models/load-weights.ts";
import type { ModelInfo } from "../models/model-file.ts";
import { parameterGroups } from "../models/parameter-groups.ts";
import type { Tensor } from "../torch/index.ts";
import { manualSeed } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import type { MemoryEstimate } from "../training/memory-estimate.ts";
import { describeModel, loadStart, prepare } from "../training/network.ts";
import type { Plan } from "../training/plan.ts";
import type { RandomStep } from "../training/random-step.ts";
import { openRecipeData } from "../training/recipe-data.ts";
import { describeSegmenter } from "../training/verify-network.ts";
import { dryTrainings } from "./dry-run-training.ts";
import { checkScoredLists } from "./prepare.ts";
import { checkVerification } from "./verify.ts";

export interface DryRun {
  recipe: Recipe;
  network: {
    backbone: string;
    /** Foreground classes. */
    classes: number;
    parameters: number;
    trainable: number;
    /** Values in each of the optimiser's groups. */
    groups: Record<string, number>;
  };
  /** null where the training list cannot be opened. */
  data: { images: number; tagged: number } | null;
  /** null where it depends on data that cannot be opened. */
  plan: Plan | null;
  memory: MemoryEstimate;
  /** null where it was not wanted, or where something stands in its way. */
  step: (RandomStep & { peak_bytes: number | null }) | null;
  /** What would keep the recipe from running here; empty when nothing is known. */
  problems: string[];
}

export interface DryRunOptions {
  /** Which training is looked at: that of the start classifier or CSRM's. */
  training: "start" | "csrm";
  /** Whether to make a step on random images. */
  step: boolean;
  /** Also look for the masks of the lists that `run` measures on. */
  scored: boolean;
  /** What is known to be wrong already, e.g. with the device; there is then no step. */
  problems?: readonly string[];
}

/**
 * @throws CsrmError where not even the network can be built, e.g. when its classes are only known from data that are not there; it tells
 *   of everything else that is missing too
 */
export async function dryRun(recipe: Recipe, options: DryRunOptions): Promise<DryRun> {
  const problems = [...(options.problems ?? [])];
  const blocked = problems.length > 0;
  const { data, classes } = await lookAtData(recipe, problems);
  if (options.scored && recipe.data.layout !== "toy") {
    await attempt(problems, () => checkScoredLists(recipe));
  }
  if (classes === null) {
    const { weights } = recipe.model;
    if (weights) await attempt(problems, () => readWeightsInfo(weights));
    throw inTheWay(problems);
  }
  if (options.scored && recipe.verify.enabled) {
    // A toy set's lists are drawn with it.
    const drawn = recipe.data.layout !== "toy";
    await attempt(problems, () =>
      drawn ? checkVerification(recipe, classes) : void describeSegmenter(recipe, classes),
    );
  }
  manualSeed(recipe.seed);
  const device = blocked ? "cpu" : recipe.device;
  const training = dryTrainings[options.training];
  const describe = () => describeModel(recipe, training.kind, classes);
  const info = (await attempt(problems, describe)) ?? withoutWeights(recipe, classes, training.kind);
  const { model, memory: estimate, step: makeStep } = training.build(info, recipe);
  await attempt(problems, () => loadStart(model, recipe));
  prepare(model, training.freeze(recipe), device);
  try {
    const memory = estimate();
    const groups = Object.entries(parameterGroups(model, training.pretrained)).map(([name, group]) => [
      name,
      sizeOf(group.values()),
    ]);
    const network = {
      backbone: recipe.model.backbone,
      classes: classes.ids.length - 1,
      parameters: sizeOf(model.parameters()),
      trainable: sizeOf(model.parameters().filter((each) => each.requiresGrad)),
      groups: Object.fromEntries(groups) as Record<string, number>,
    };
    const plan = training.plan(recipe, data?.tagged ?? null);
    // Unlike the machine's free memory this knows a container's limit.
    const available = process.availableMemory();
    const fits = device !== "cpu" || memory.total < available;
    if (!fits && !blocked) {
      problems.push(
        `a step takes about ${gib(memory.total)} of memory, and ${gib(available)} are free; lower ${training.sizes}`,
      );
    }
    const step = options.step && fits && !blocked ? makeStep() : null;
    const peak_bytes = device === "cpu" ? process.resourceUsage().maxRSS * 1024 : null;
    return { recipe, network, data, plan, memory, step: step && { ...step, peak_bytes }, problems };
  } finally {
    model.dispose();
  }
}

export function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function inTheWay(problems: readonly string[]): CsrmError {
  const list = problems.map((problem) => `\n  ${problem}`).join("");
  const text = problems.length === 1 ? problems[0]! : `${problems.length} things stand in the way:${list}`;
  return new CsrmError(text, { code: "data" });
}

/** The classes are null where only data that cannot be opened tell them. */
async function lookAtData(
  recipe: Recipe,
  problems: string[],
): Promise<{ data: DryRun["data"]; classes: ClassTable | null }> {
  const { layout, toy, lists } = recipe.data;
  if (layout === "toy") return { data: { images: toy.train, tagged: toy.train }, classes: tableOf(recipe) };
  const dataset = await attempt(problems, () => openRecipeData(recipe, lists.train));
  if (!dataset) {
    // Pictures come first: without them nothing has looked for the tags yet.
    await attempt(problems, () => assertReadable(recipe.data.tags));
    const unknown = layout === "folder" && recipe.data.classes === "auto";
    return { data: null, classes: unknown ? null : await attempt(problems, () => tableOf(recipe)) };
  }
  const tagged = await attempt(problems, () => labelledOnly(dataset).samples.length);
  return { data: { images: dataset.samples.length, tagged: tagged ?? 0 }, classes: dataset.classes };
}

/** @param tags data.tags: one of its words, or a path */
function assertReadable(tags: string): void {
  if (["auto", "none", "annotations", FOLDERS].includes(tags)) return;
  try {
    accessSync(tags, constants.R_OK);
  } catch (error) {
    throw readError(tags, error);
  }
}

/** The class table that a recipe names, without a look at its data. */
function tableOf({ data: { layout, classes, subset } }: Recipe): ClassTable {
  const all = loadClasses(classes === "auto" ? layout : classes);
  return subset ? subsetClasses(all, subset) : all;
}

/** The same network where its weights cannot be read. */
function withoutWeights(recipe: Recipe, classes: ClassTable, kind: ModelInfo["kind"]): ModelInfo {
  return describeModel({ ...recipe, model: { ...recipe.model, weights: null } }, kind, classes);
}

/** Notes what a piece of work complains of, once; the defects of csrm itself pass. */
export async function attempt<T>(problems: string[], work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CsrmError)) throw error;
    if (!problems.includes(messageOf(error))) problems.push(messageOf(error));
    return null;
  }
}

function sizeOf(tensors: Iterable<Tensor>): number {
  return [...tensors].reduce((sum, each) => sum + each.numel, 0);
}
