/** The verify stage of a run: label maps of the training list, a network trained on them, its label maps of other lists and their figures. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import type { ClassTable, Dataset } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import { type Evaluation, miousOf } from "../evaluation/evaluation.ts";
import { imageRoot } from "../evaluation/images.ts";
import { assertMasks } from "../evaluation/masks.ts";
import { readFileBytes } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import { augmentationText } from "../inference/predict-settings.ts";
import type { SegmentSettings } from "../inference/segment.ts";
import { segmentAll } from "../inference/segment-stage.ts";
import { interrupted, safePoint, stopped } from "../interrupt.ts";
import type { Progress } from "../progress.ts";
import { UNKNOWN } from "../refine/refine-labels.ts";
import type { Run } from "../run-folder.ts";
import { readJson, writeJson } from "../run-stage.ts";
import { byFirst, part, processes, setThreads } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import { precisionOf } from "../training/network.ts";
import { maskFolder, openRecipeData } from "../training/recipe-data.ts";
import { assertDivisible, assertShared } from "../training/together.ts";
import { describeSegmenter } from "../training/verify-network.ts";
import { verifyStage } from "../training/verify-stage.ts";
import { dropEvaluation, evaluateOnce, placeIn, writeEvaluation } from "./evaluation-files.ts";
import { listName } from "./predictions.ts";
import { givenLabels, ownLabels, type TrainingLabels, verifyList } from "./verify-labels.ts";

export interface Verified {
  /** Of training and prediction over all sessions. */
  seconds: number;
  steps: number;
  /** RUN/verify/model.safetensors */
  model: string;
  /** One a list and kind of label maps; none where the recipe measures on no list. */
  evaluations: Evaluation[];
}

interface Done {
  training: number;
  /** Seconds of prediction and evaluation so far. */
  measuring: number;
  steps: number;
}

/** What a network was trained on. */
interface Source {
  labels: string;
  /** Of images' names and label maps. */
  sha256: string;
}

/**
 * Trains the recipe's verification network, or goes on with it, or takes it as it is when done; then measures it. Of several processes
 * all train, and the first does the rest, before and after.
 * @param options.labels folder of label maps to train on; default: those of the run, made where they are missing
 * @returns null to the others
 * @throws InterruptedError when asked to stop; calling again goes on
 */
export async function verifyRun(
  run: Run,
  progress: Progress,
  options: { labels?: string } = {},
): Promise<Verified | null> {
  const { recipe } = run;
  setThreads(recipe.threads);
  const stage = run.stage("verify");
  const model = verifiedModel(run);
  let done = stage.results<Done>();
  if (done && !existsSync(model)) {
    progress.note(`${model} is gone, so verify is done again`);
    done = null;
  }
  assertShared("state of the verification", done !== null);
  if (done) assertSameFolder(run, options.labels);
  else {
    const { dataset, folder: labels } = await sharedLabels(run, progress, options.labels);
    const result = await verifyStage({ stage, recipe, dataset, labels, progress, stop: interrupted });
    if (!result.finished) throw stopped();
    done = { training: result.seconds, measuring: 0, steps: result.steps };
    if (processes().rank === 0) stage.finish(done);
  }
  const { rank } = processes();
  part();
  if (rank > 0) return null;
  setThreads(recipe.threads);
  const started = performance.now();
  const evaluations = await measureAll(run, progress);
  done = { ...done, measuring: done.measuring + (performance.now() - started) / 1000 };
  stage.finish(done);
  return { seconds: done.training + done.measuring, steps: done.steps, model, evaluations };
}

/** The label maps to train on; of several processes the first makes or looks through them. */
async function sharedLabels(run: Run, progress: Progress, given: string | undefined): Promise<TrainingLabels> {
  const { recipe } = run;
  const own = await byFirst("label maps", async () => {
    const source = given === undefined ? await ownLabels(run, progress) : await givenLabels(recipe, given);
    await assertSameSource(run, source);
    return source;
  });
  const [first] = processes().exchange(own && { folder: own.folder, ids: own.dataset.samples.map(({ id }) => id) });
  if (own) return own;
  const { folder, ids } = first!;
  const dataset = await openRecipeData(recipe, verifyList(recipe));
  const kept = new Set(ids);
  return { folder, dataset: { ...dataset, samples: dataset.samples.filter(({ id }) => kept.has(id)) } };
}

/** Whether a run has a finished verification network. */
export function isVerified(run: Run): boolean {
  return existsSync(path.join(run.path, "verify", "done.json")) && existsSync(verifiedModel(run));
}

export function verifiedModel(run: Run): string {
  return path.join(run.path, "verify", "model.safetensors");
}

/** Adds a verification that was done by itself to the run's summary.json, where there is one. */
export function addToSummary(run: Run, { seconds, evaluations }: Verified): void {
  const file = path.join(run.path, "summary.json");
  if (!existsSync(file)) return;
  // An earlier verification may have had the dense CRF, which this one need not have.
  const {
    verify: _,
    verify_crf: __,
    ...summary
  } = readJson(file) as { stages?: Record<string, number> } & Record<string, unknown>;
  const stages = { ...summary.stages, verify: seconds };
  const total = Object.values(stages).reduce((sum, value) => sum + value, 0);
  run.writeSummary({ ...summary, seconds: total, stages, ...miousOf(evaluations) });
}

/** What would stop the stage after hours of other stages: weights that cannot be read, lists without masks. */
export async function checkVerification(recipe: Recipe, classes: ClassTable): Promise<void> {
  describeSegmenter(recipe, classes);
  assertDivisible({ "verify.batch": recipe.verify.batch });
  for (const list of scoredLists(recipe)) await openScored(recipe, list);
}

/** The lists that the network is measured on. */
function scoredLists({ verify, data }: Recipe): string[] {
  if (verify.score !== null) return verify.score;
  const { score } = data.lists;
  return score.length > 1 ? score.slice(1) : score;
}

async function openScored(recipe: Recipe, list: string): Promise<Dataset> {
  const dataset = await openRecipeData(recipe, list);
  const ids = dataset.samples.map(({ id }) => id);
  assertMasks(maskFolder(recipe), list, ids);
  return dataset;
}

/** How the recipe's network predicts. */
export function segmentSettings(recipe: Recipe): SegmentSettings {
  const { crf, scales, flip, size, ...kernels } = recipe.verify.predict;
  return {
    scales,
    flip,
    size,
    crf: crf ? kernels : null,
    device: recipe.device,
    precision: precisionOf(recipe),
  };
}

async function measureAll(run: Run, progress: Progress): Promise<Evaluation[]> {
  const { recipe } = run;
  const settings = segmentSettings(recipe);
  const title = recipe.verify.network === "deeplabv2" ? "DeepLabV2" : "DeepLabV3+";
  const results: Evaluation[] = [];
  for (const list of scoredLists(recipe)) {
    const dataset = await openScored(recipe, list);
    const split = listName(list);
    const out = path.join(run.path, "verify", "predictions", split);
    const work = { model: verifiedModel(run), dataset, out, settings, progress, label: `verify ${split}` };
    // Other settings, verify.predict or e.g. the precision of another machine, need no other network.
    const { labels, refined, ids, skipped } = await segmentAll({ ...work, fresh: "if-other" });
    for (const { id, reason } of skipped) progress.note(`skipped ${id}: ${reason}`);
    const measure = async (predictions: string, method: string, label: string) => {
      const options = {
        predictions,
        masks: maskFolder(recipe),
        images: imageRoot(dataset.samples[0]!),
        ids,
        classes: dataset.classes,
        ...{ split, method, label, crf: predictions === refined },
        tta: augmentationText(settings),
      };
      const result = await evaluateOnce(run.path, options, progress);
      await writeEvaluation(run.path, result);
      results.push(result);
    };
    await measure(labels, "verify", title);
    if (refined !== null) await measure(refined, "verify_crf", `${title} + dCRF`);
    else dropEvaluation(run.path, split, "verify_crf");
  }
  return results;
}

function sourceFile(run: Run): string {
  return path.join(run.path, "verify", "source.json");
}

/** A network that is done was trained on what it was trained on: another folder now is a misunderstanding. */
function assertSameFolder(run: Run, labels: string | undefined): void {
  if (labels === undefined || !existsSync(sourceFile(run))) return;
  const known = readJson(sourceFile(run)) as unknown as Source;
  if (known.labels !== placeIn(run.path, path.resolve(labels))) throw otherSource(run, known, labels);
}

/** A training that goes on must go on with the label maps that it began with. */
async function assertSameSource(run: Run, { folder, dataset }: TrainingLabels): Promise<void> {
  const hash = createHash("sha256");
  let labelled = false;
  for (const { id } of dataset.samples) {
    await safePoint();
    const file = path.join(folder, `${id}.png`);
    const bytes = await readFileBytes(file);
    hash.update(`${id}\n`).update(bytes);
    labelled ||= decodeLabelPng(bytes, file).data.some((label) => label !== UNKNOWN);
  }
  if (!labelled)
    throw expected(
      "a pixel with a label",
      `the label maps of ${dataset.name} in ${folder}`,
      "unknown (255) everywhere",
    );
  const source: Source = { labels: placeIn(run.path, folder), sha256: hash.digest("hex") };
  // Before the first checkpoint nothing came of the label maps yet.
  const begun = existsSync(path.join(run.stage("verify").checkpoints, "last.safetensors"));
  const known = begun && existsSync(sourceFile(run)) ? (readJson(sourceFile(run)) as unknown as Source) : null;
  if (known === null) writeJson(sourceFile(run), source);
  else if (known.sha256 !== source.sha256) throw otherSource(run, known, folder);
}

function otherSource(run: Run, known: Source, labels: string): CsrmError {
  return new CsrmError(
    `verification in ${run.path} was trained on the label maps of ${known.labels}; those of ${labels} are others; ` +
      "say csrm verify --fresh to train anew and keep the old network aside",
    { code: "config" },
  );
}
