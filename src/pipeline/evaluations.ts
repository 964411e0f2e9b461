/** The evaluate stage of a run: every pass as activation maps, label maps and refined label maps, thresholds chosen on the first list. */
import path from "node:path";
import { evaluatePredictions } from "../evaluation/evaluate.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import { imageRoot } from "../evaluation/images.ts";
import { writeFileAtomic } from "../files.ts";
import { writeLabels } from "../inference/label-stage.ts";
import { augmentationText } from "../inference/predict-settings.ts";
import type { Progress } from "../progress.ts";
import { refineCrf } from "../refine/crf-stage.ts";
import type { Recipe } from "../training/config.ts";
import { maskFolder } from "../training/recipe-data.ts";
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
  const thresholds = new Map<string, Chosen>();
  for (const pass of passes) {
    const key = `${pass.subject}${pass.augmented ? "" : "_single"}`;
    const row = { pass, key, recipe, progress };
    const { threshold } = recipe.predict;
    if (measured) {
      const cams = await measure({ ...row, key: camKey(row), predictions: pass.out, threshold: thresholds.get(key) });
      thresholds.set(key, thresholds.get(key) ?? chosenBy(cams, threshold));
      results.push(cams);
    }
    const value = thresholds.get(key)?.threshold ?? (threshold === "train" ? null : threshold);
    const labels = await writeLabels({
      out: pass.out,
      ids: pass.ids,
      threshold: pass.settings.source === "segmentation" ? null : value,
      // The best threshold moves when tags were corrected.
      fresh: "if-other",
      progress,
      label: `labels ${key} ${pass.list}`,
    });
    if (measured && pass.settings.source !== "cam") results.push(await measure({ ...row, predictions: labels.dir }));
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
    if (measured) results.push(await measure({ ...row, key: `${key}_crf`, predictions: refined, crf: true }));
  }
  const run = path.dirname(options.folders.evaluate);
  for (const result of results) {
    const file = path.join(options.folders.evaluate, `${result.split}-${result.method}.json`);
    await writeFileAtomic(file, `${JSON.stringify(movable(result, run), null, 2)}\n`);
  }
  return results;
}

/** With folders inside the run told from there, so that a run folder may be moved. */
function movable(result: Evaluation, run: string): Evaluation {
  const told = (folder: string | null) => {
    if (folder === null) return null;
    const inside = path.relative(run, folder);
    return inside.startsWith("..") || path.isAbsolute(inside) ? folder : inside;
  };
  const { predictions, masks, images } = result;
  return { ...result, predictions: told(predictions), masks: told(masks), images: told(images) };
}

interface Chosen {
  threshold: number;
  from: string;
}

/** The recipe's number, or the best on the list that is measured first. */
function chosenBy(first: Evaluation, threshold: Recipe["predict"]["threshold"]): Chosen {
  if (threshold !== "train") return { threshold, from: "given" };
  return { threshold: first.best!.threshold, from: `best on ${first.split}` };
}

interface Row {
  pass: Pass;
  /** Key of the method, e.g. "csrm_single". */
  key: string;
  recipe: Recipe;
  progress: Progress;
}

/** The start's label maps are its activation maps at a threshold: one row, not two. */
function camKey({ pass, key }: Row): string {
  if (pass.settings.source === "cam") return key;
  return key.replace("csrm", "csrm_cam");
}

async function measure(row: Row & { predictions: string; threshold?: Chosen; crf?: boolean }): Promise<Evaluation> {
  const { pass, key, recipe, progress, predictions, threshold, crf = false } = row;
  using task = progress.task({ label: `evaluate ${key} ${pass.list}`, total: pass.ids.length, unit: "image" });
  const given = recipe.predict.threshold;
  const isCams = predictions === pass.out;
  const fixed = threshold ?? (given === "train" ? undefined : { threshold: given, from: "given" });
  // Awaited here: the progress bar must outlive the work.
  return await evaluatePredictions({
    predictions,
    masks: maskFolder(recipe),
    images: imageRoot(pass.dataset.samples[0]!),
    ids: pass.ids,
    classes: pass.dataset.classes,
    ...(isCams && fixed ? { threshold: fixed.threshold, thresholdFrom: fixed.from } : {}),
    split: pass.list,
    method: key,
    label: labelOf(key),
    tta: augmentationText(pass.settings),
    crf,
    onProgress: (done) => task.update(done),
  });
}

const PARTS: Record<string, string> = {
  start: "start CAM",
  csrm: "CSRM",
  cam: "CAM",
  crf: "+ dCRF",
  single: "(single)",
};

function labelOf(key: string): string {
  const order = ["start", "csrm", "cam", "crf", "single"];
  const parts = key.split("_").sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return parts.map((part) => PARTS[part]!).join(" ");
}
