/**
 * Label maps of finished runs, refined and measured for Table 2; nothing is trained and nothing is written into a run.
 * EXP/refine/<kind>/s<seed>/<method>/<list>/<id>.png and beside them evaluate/<list>-<method>.json.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { CsrmError } from "../errors.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { imageRoot } from "../evaluation/images.ts";
import { LABELS } from "../inference/results.ts";
import { evaluateOnce, placeIn, writeEvaluation } from "../pipeline/evaluation-files.ts";
import { labelOf } from "../pipeline/evaluations.ts";
import { listName } from "../pipeline/predictions.ts";
import type { Progress } from "../progress.ts";
import { refineCrf } from "../refine/crf-stage.ts";
import { refineByMasks } from "../refine/masks/mask-stage.ts";
import { type MergeOptions, mergeSettings } from "../refine/masks/merge.ts";
import { assertStamped, openStamped, type Settings } from "../stamped-folder.ts";
import { setThreads } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import { dataRoot, maskFolder, openRecipeData } from "../training/recipe-data.ts";
import { type MaskSupply, otherWays } from "./mask-supply.ts";
import { REFINED } from "./rows.ts";
import { type MeasuredIn, measuredOn, type SeedRuns } from "./seed-runs.ts";

export interface RefinedOptions {
  /** The experiment's folder. */
  out: string;
  /** The data set, as `dataPlace` tells it. */
  data: string;
  supplies: readonly MaskSupply[];
  merge: MergeOptions;
  progress: Progress;
}

/** The data set of a table's runs as its folder's files tell it. @param recipe of one of the runs, with the place of its data set */
export function dataPlace(out: string, recipe: Recipe): string {
  return placeIn(path.resolve(out), path.resolve(dataRoot(recipe)));
}

/**
 * Whether what is there so far fits what is to come; nothing is made.
 * @throws CsrmError for weights that are none, and for masks and label maps of other settings or of another data set
 */
export async function assertRefinable(options: Omit<RefinedOptions, "progress">): Promise<void> {
  const { out, data } = options;
  assertStamped(kindFolder(out, "crf"), { data }, otherWays(out));
  for (const supply of options.supplies) {
    assertStamped(kindFolder(out, supply.kind), await settingsOf(options, supply), otherWays(out));
  }
}

/** Seeds are averaged, so all of them are refined alike. */
async function settingsOf(
  { data, merge }: Pick<RefinedOptions, "data" | "merge">,
  supply: MaskSupply,
): Promise<Settings> {
  return { data, ...(await supply.settings(data)), ...mergeSettings(merge) };
}

/**
 * Makes what is missing of a seed's refined label maps, and measures them; what is there and up to date stays.
 * @returns the evaluations of the runs' own and of all refined label maps
 * @throws CsrmError when a run lacks label maps or their evaluation; as the refinements and the evaluation
 */
export async function refineSeed(runs: SeedRuns, options: RefinedOptions): Promise<Evaluation[]> {
  setThreads(runs.recipe.threads);
  const added: Evaluation[] = [];
  for (const list of runs.recipe.data.lists.score) {
    const dataset = await openRecipeData(runs.recipe, list);
    for (const key of REFINED) {
      const known = runs.measured.some(({ evaluation: each }) => each.method === key && each.split === listName(list));
      const work: Work = { ...options, runs, dataset, list: listName(list) };
      // A run without a dense CRF (predict.crf: false) gets one here.
      const base = !known && key.endsWith("_crf") ? await refinedByCrf(work, key) : measuredOn(runs, key, work.list);
      if (!known) added.push(base.evaluation);
      for (const supply of options.supplies) added.push(await refinedByMasks(work, base, supply));
    }
  }
  return [...runs.measured.map(({ evaluation }) => evaluation), ...added];
}

interface Work extends RefinedOptions {
  runs: SeedRuns;
  dataset: Dataset;
  /** The list's name. */
  list: string;
}

async function refinedByCrf(work: Work, method: string): Promise<MeasuredIn> {
  const { runs, dataset, list, progress } = work;
  const base = measuredOn(runs, method.replace(/_crf$/, ""), list);
  const run = seedFolder(work.out, "crf", runs.seed);
  openStamped(kindFolder(work.out, "crf"), { data: work.data }, { advice: otherWays(work.out) });
  const { dir, ids } = await refineCrf({
    ...labelMapsOf(base, dataset),
    images: dataset,
    out: path.join(run, method, list),
    params: runs.recipe.refine.crf,
    fresh: "if-other",
    progress,
    label: `dCRF ${method} ${list}, seed ${runs.seed}`,
  });
  return { run, evaluation: await measure({ ...work, run, method, dir, ids }, { ...base.evaluation, crf: true }) };
}

async function refinedByMasks(work: Work, base: MeasuredIn, supply: MaskSupply): Promise<Evaluation> {
  const { runs, dataset, list, data, merge, progress } = work;
  const method = `${base.evaluation.method}_${supply.kind}`;
  const run = seedFolder(work.out, supply.kind, runs.seed);
  const maps = labelMapsOf(base, dataset);
  // A photograph that could not be decoded has no label map to refine.
  const mapped = new Set(maps.ids);
  const samples = dataset.samples.filter(({ id }) => mapped.has(id));
  openStamped(kindFolder(work.out, supply.kind), await settingsOf(work, supply), { advice: otherWays(work.out) });
  const source = await supply.open({ samples, list, data }, progress);
  const { dir, ids } = await refineByMasks({
    ...maps,
    out: path.join(run, method, list),
    source: { ...source, label: `${supply.kind} ${method} ${list}, seed ${runs.seed}` },
    merge,
    fresh: "if-other",
    progress,
  });
  return measure({ ...work, run, method, dir, ids }, base.evaluation);
}

function kindFolder(out: string, kind: string): string {
  return path.join(out, "refine", kind);
}

/** EXP/refine/<kind>/s<seed> */
export function seedFolder(out: string, kind: string, seed: number): string {
  return path.join(kindFolder(out, kind), `s${seed}`);
}

/**
 * The label maps that an evaluation is of, and their images.
 * @throws CsrmError when they are not there any more
 */
function labelMapsOf({ run, evaluation }: MeasuredIn, dataset: Dataset): { labels: string; ids: string[] } {
  const { kind, predictions, count, method, split } = evaluation;
  const folder = path.resolve(run, predictions!);
  // Figures of scores are those of the label maps that were made of them at the threshold.
  const labels = kind === "labels" ? folder : path.join(folder, LABELS);
  const ids = dataset.samples.map(({ id }) => id).filter((id) => existsSync(path.join(labels, `${id}.png`)));
  if (ids.length === count) return { labels, ids };
  throw new CsrmError(
    `${labels} holds ${ids.length} of the ${count} label maps that ${method} was measured by on ${split}; csrm run on ${run} makes them again`,
    { code: "data" },
  );
}

interface Refined extends Work {
  run: string;
  method: string;
  dir: string;
  ids: readonly string[];
}

/** Refined label maps, measured as those before the refinement were; the second argument is the evaluation of the latter. */
async function measure(
  { run, method, dir, ids, runs, dataset, list, progress }: Refined,
  { crf, tta }: Evaluation,
): Promise<Evaluation> {
  const result = await evaluateOnce(
    run,
    {
      predictions: dir,
      masks: maskFolder(runs.recipe),
      images: imageRoot(dataset.samples[0]!),
      classes: dataset.classes,
      split: list,
      label: labelOf(method),
      ...{ method, ids, crf, tta },
    },
    progress,
  );
  await writeEvaluation(run, result);
  return result;
}
