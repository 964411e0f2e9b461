/** The evaluate stage of a run: every pass as activation maps, label maps and refined label maps, thresholds chosen on the first list. */
import path from "node:path";
import type { EvaluateOptions } from "../evaluation/evaluate.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { imageRoot } from "../evaluation/images.ts";
import { writeLabels } from "../inference/label-stage.ts";
import { augmentationText } from "../inference/predict-settings.ts";
import type { Source } from "../inference/predictor.ts";
import type { Progress } from "../progress.ts";
import { refineCrf } from "../refine/crf-stage.ts";
import type { Recipe } from "../training/config.ts";
import { maskFolder } from "../training/recipe-data.ts";
import { evaluateOnce, writeEvaluation } from "./evaluation-files.ts";
import type { Pass } from "./predictions.ts";

export interface EvaluateAllOptions {
  recipe: Recipe;
  passes: readonly Pass[];
  /** RUN/refine and RUN/evaluate */
  folders: { refine: string; evaluate: string };
  progress: Progress;
}

/**
 * Makes all label maps and, where lists have masks, measures them.
 * @returns one evaluation a row of the result table; evaluate/<list>-<method>.json holds each
 */
export async function evaluateAll(options: EvaluateAllOptions): Promise<Evaluation[]> {
  const { recipe, passes, progress } = options;
  const measured = recipe.data.lists.score.length > 0;
  const results: Evaluation[] = [];
  const run = path.dirname(options.folders.evaluate);
  // Written at once, so that a run that is killed here does not measure again what it had.
  const add = async (result: Evaluation) => {
    results.push(result);
    await writeEvaluation(run, result);
  };
  const thresholds = new Map<string, Chosen>();
  for (const pass of passes) {
    const key = `${pass.subject}${pass.augmented ? "" : "_single"}`;
    const row = { run, pass, key, recipe, progress };
    const { source } = pass.settings;
    if (measured && source !== "cam") {
      const camRow = { ...row, key: key.replace("csrm", "csrm_cam"), source: "cam" as const };
      await add(await measureScores(camRow, thresholds));
    }
    const scores = measured ? await measureScores({ ...row, source }, thresholds) : null;
    const labels = await writeLabels({
      out: pass.out,
      ids: pass.ids,
      // A recipe without lists to measure on has a number here.
      threshold: scores?.threshold ?? Number(recipe.predict.threshold),
      // The best threshold moves when tags were corrected.
      fresh: "if-other",
      progress,
      label: `labels ${key} ${pass.list}`,
    });
    // The figures of scores at a threshold are those of the label maps that were made at it.
    if (scores) await add(source === "cam" ? scores : { ...scores, kind: "labels", predictions: labels.dir });
    if (!recipe.predict.crf || !pass.augmented) continue;
    const refined = path.join(options.folders.refine, pass.subject, pass.list);
    await refineCrf({
      images: pass.dataset,
      labels: labels.dir,
      out: refined,
      ids: pass.ids,
      params: recipe.refine.crf,
      fresh: "if-other",
      progress,
      label: `dCRF ${key} ${pass.list}`,
    });
    if (measured) await add(await measure({ ...row, key: `${key}_crf` }, { predictions: refined, crf: true }));
  }
  return results;
}

type Chosen = Required<Pick<EvaluateOptions, "threshold" | "thresholdFrom">>;

interface Row {
  /** The run folder. */
  run: string;
  pass: Pass;
  /** Key of the method, e.g. "csrm_single". */
  key: string;
  recipe: Recipe;
  progress: Progress;
}

/** Scores at the recipe's threshold or, as it may say, at the best one on the list that is measured first. */
async function measureScores(row: Row & { source: Source }, thresholds: Map<string, Chosen>): Promise<Evaluation> {
  const { pass, key, recipe, source } = row;
  const given = recipe.predict.threshold;
  const fixed = thresholds.get(key) ?? (given === "train" ? null : { threshold: given, thresholdFrom: "given" });
  const result = await measure(row, { predictions: pass.out, source, ...fixed });
  if (!fixed) {
    thresholds.set(key, { threshold: result.best!.threshold, thresholdFrom: `best on ${result.split}` });
  }
  return result;
}

type What = Pick<EvaluateOptions, "predictions" | "source" | "threshold" | "thresholdFrom" | "crf">;

async function measure({ run, pass, key, recipe, progress }: Row, what: What): Promise<Evaluation> {
  const options: EvaluateOptions = {
    crf: false,
    ...what,
    masks: maskFolder(recipe),
    images: imageRoot(pass.dataset.samples[0]!),
    ids: pass.ids,
    classes: pass.dataset.classes,
    split: pass.list,
    method: key,
    label: labelOf(key),
    tta: augmentationText(pass.settings),
  };
  return evaluateOnce(run, options, progress);
}

const PARTS: Record<string, string> = {
  start: "start CAM",
  csrm: "CSRM",
  cam: "CAM",
  crf: "+ dCRF",
  regions: "+ regions",
  sam: "+ SAM masks",
  single: "(single)",
};

/** A method's name in tables: "csrm_crf" → "CSRM + dCRF". */
export function labelOf(key: string): string {
  const order = ["start", "csrm", "cam", "crf", "regions", "sam", "single"];
  const parts = key.split("_").sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return parts.map((part) => PARTS[part]!).join(" ");
}
