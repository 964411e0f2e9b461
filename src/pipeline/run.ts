/** `csrm run`: a recipe from images and tags to masks, figures and a report, stage by stage; what is done is not done again. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { CsrmError } from "../errors.ts";
import { type Evaluation, miousOf } from "../evaluation/evaluation.ts";
import { readFileBytes } from "../files.ts";
import { interrupted, stopped } from "../interrupt.ts";
import { modelInfo } from "../models/model-file.ts";
import type { Progress } from "../progress.ts";
import type { Run } from "../run-folder.ts";
import { readJson, type StageName, writeJson } from "../run-stage.ts";
import { byFirst, part, processes, setThreads } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import { pretrainStage, type StageOptions, type StageResult, trainStage } from "../training/stages.ts";
import { chosenModel } from "./chosen-model.ts";
import { evaluateAll } from "./evaluations.ts";
import { withLiveReport } from "./live-report.ts";
import { type Pass, predictAll, type Subject } from "./predictions.ts";
import { checkScoredLists, openTrainingData } from "./prepare.ts";
import { checkVerification, isVerified, verifyRun } from "./verify.ts";

export interface Summary {
  recipe: string;
  /** Of finished work: training over all sessions, prediction and evaluation of those that ended. */
  seconds: number;
  stages: Partial<Record<StageName, number>>;
  /** Photographs of the measured lists that could not be read and so have no mask, where there are any. */
  unread?: string[];
  /** Mean IoU by method and list, fractions; `miou` is that of the first list. A whole run always has start, csrm and csrm_crf. */
  [method: string]: unknown;
}

/** What a training stage leaves behind; `seconds` is the work of all sessions. */
export type Done = Pick<StageResult, "seconds" | "steps" | "model">;

export interface PipelineOptions {
  /** model.safetensors of a start classifier to share with other runs, instead of training one. */
  start?: string;
  /** What is trained and measured (default: both). Runs that share a start need not look at it again each. */
  subjects?: readonly Subject[];
}

/**
 * Runs or goes on with a run; its report follows. Of several processes all train, the verification network too, and the first does the rest.
 * @returns null to the others
 * @throws InterruptedError when asked to stop; calling again goes on
 */
export function runPipeline(run: Run, progress: Progress, options: PipelineOptions = {}): Promise<Summary | null> {
  return withLiveReport(run, progress, (followed) => allStages(run, followed, options));
}

async function allStages(run: Run, progress: Progress, options: PipelineOptions): Promise<Summary | null> {
  const { recipe } = run;
  setThreads(recipe.threads);
  const dataset = await openTrainingData(recipe, progress);
  await checkScoredLists(recipe);
  if (recipe.verify.enabled) await checkVerification(recipe, dataset.classes);
  const start = options.start ? sharedStart(options.start) : await pretrainOf(run, dataset, progress);
  const { subjects = ["start", "csrm"] } = options;
  const models = new Map<Subject, string>();
  if (subjects.includes("start")) models.set("start", start.model);
  const trained = subjects.includes("csrm") ? await trainOf(run, dataset, { progress, start: start.model }) : null;
  // A run of the start alone has no network whose label maps could teach another.
  const verifies = trained !== null && (recipe.verify.enabled || isVerified(run));
  const { rank } = processes();
  if (!verifies || isVerified(run)) {
    part();
    if (rank > 0) return null;
  }
  const measured = await byFirst("figures", () => measure(run, { models, trained: trained !== null, progress }));
  const verified = verifies ? await verifyRun(run, progress) : null;
  if (measured === undefined) return null;

  const stages = {
    pretrain: start.seconds,
    train: trained?.seconds ?? 0,
    predict: measured.predicting,
    evaluate: measured.evaluating,
    ...(verified ? { verify: verified.seconds } : {}),
  };
  const summary: Summary = {
    ...summaryOf(recipe, stages, [...measured.evaluations, ...(verified?.evaluations ?? [])]),
    ...(measured.unread.length > 0 ? { unread: measured.unread } : {}),
  };
  run.writeSummary(summary);
  return summary;
}

interface Measured {
  /** Seconds over all sessions. */
  predicting: number;
  evaluating: number;
  evaluations: Evaluation[];
  unread: string[];
}

/** Prediction and evaluation of the trained networks, in one process. @param options.models gets the one of the main training */
async function measure(
  run: Run,
  { models, trained, progress }: { models: Map<Subject, string>; trained: boolean; progress: Progress },
): Promise<Measured> {
  const { recipe } = run;
  setThreads(recipe.threads);
  const predict = run.stage("predict");
  const predictSeconds = timer();
  if (trained) {
    models.set("csrm", await chosenModel({ recipe, train: run.stage("train"), folder: predict.path, progress }));
  }
  const passes = await predictAll({ recipe, folder: predict.path, models, progress });
  const predicting = { seconds: secondsOf(predict.results()) + predictSeconds() };
  predict.finish(predicting);

  const evaluate = run.stage("evaluate");
  const evaluateSeconds = timer();
  const folders = { refine: run.stage("refine").path, evaluate: evaluate.path };
  const evaluations = await evaluateAll({ recipe, passes, folders, progress });
  const evaluating = { seconds: secondsOf(evaluate.results()) + evaluateSeconds() };
  evaluate.finish(evaluating);
  const unread = unreadOf(passes, progress);
  return { predicting: predicting.seconds, evaluating: evaluating.seconds, evaluations, unread };
}

/** Unread photographs that are named at the end. */
const NAMED = 5;

/** Each was told of when it was met; whoever looks at the end of a long run only shall know, too. */
function unreadOf(passes: readonly Pass[], progress: Progress): string[] {
  const all = new Set(passes.flatMap(({ dataset }) => dataset.samples.map(({ id }) => id)));
  const read = new Set(passes.flatMap(({ ids }) => ids));
  const unread = [...all].filter((id) => !read.has(id));
  const named = `${unread.slice(0, NAMED).join(", ")}${unread.length > NAMED ? ", …" : ""}`;
  if (unread.length > 0) {
    progress.note(`${unread.length} of ${all.size} photographs could not be read and have no mask: ${named}`);
  }
  return unread;
}

function sharedStart(file: string): Done {
  modelInfo(file);
  return { seconds: 0, steps: 0, model: file };
}

/** The start classifier of a run: trained, gone on with, or taken as it is when done. */
export function pretrainOf(run: Run, dataset: Dataset, progress: Progress): Promise<Done> {
  return trainingStage(run, "pretrain", { dataset, progress, work: pretrainStage });
}

/** The main training of a run. @param options.start model.safetensors of a start classifier */
export async function trainOf(
  run: Run,
  dataset: Dataset,
  options: { progress: Progress; start: string },
): Promise<Done> {
  await assertSameStart(run, options.start);
  const work = (stage: StageOptions) => trainStage({ ...stage, start: options.start });
  return trainingStage(run, "train", { dataset, progress: options.progress, work });
}

/** A run that goes on must go on from the classifier it began with: figures of one start beside training from another would lie. */
async function assertSameStart(run: Run, start: string): Promise<void> {
  if (processes().rank > 0) return;
  const stage = run.stage("train");
  const file = path.join(stage.path, "start.json");
  const sha256 = createHash("sha256")
    .update(await readFileBytes(start))
    .digest("hex");
  // Before the first checkpoint nothing came of the start yet: a wrong one must not keep the right one out.
  const begun = stage.results() !== null || existsSync(path.join(stage.checkpoints, "last.safetensors"));
  const known = begun && existsSync(file) ? (readJson(file) as { start: string; sha256: string }) : null;
  if (known === null) {
    writeJson(file, { start, sha256 });
  } else if (known.sha256 !== sha256) {
    throw new CsrmError(
      `training in ${run.path} began from ${known.start}, got ${start}, which is another classifier; ` +
        "give the same --start, choose another --out, or say --fresh",
      { code: "config" },
    );
  }
}

interface TrainingWork {
  dataset: Dataset;
  progress: Progress;
  work: (options: StageOptions) => Promise<StageResult>;
}

async function trainingStage(
  run: Run,
  name: "pretrain" | "train",
  { dataset, progress, work }: TrainingWork,
): Promise<Done> {
  const stage = run.stage(name);
  const done = stage.results<Done & { data?: string }>();
  const data = digestOf(dataset);
  // Paths are stored relative, so that a run folder may be moved.
  if (done) {
    const model = path.join(stage.path, path.basename(done.model));
    if (existsSync(model)) {
      if (done.data !== undefined && done.data !== data) {
        progress.note(`images or tags were changed after ${name}; its network is used as it is, --fresh trains anew`);
      }
      return { ...done, model };
    }
    progress.note(`${model} is gone, so ${name} is done again`);
  }
  const result = await work({ stage, recipe: run.recipe, dataset, progress, stop: interrupted });
  // Of several processes any may have been asked to stop.
  if (!result.finished) throw stopped();
  const { seconds, steps, model } = result;
  if (processes().rank === 0) stage.finish({ seconds, steps, model: path.basename(model), data });
  return { seconds, steps, model };
}

function timer(): () => number {
  const started = performance.now();
  return () => (performance.now() - started) / 1000;
}

function secondsOf(results: unknown): number {
  return (results as { seconds?: number } | null)?.seconds ?? 0;
}

function summaryOf(recipe: Recipe, stages: Summary["stages"], evaluations: readonly Evaluation[]): Summary {
  const methods = miousOf(evaluations);
  const seconds = Object.values(stages).reduce((sum, value) => sum + value, 0);
  return { recipe: recipe.name, seconds, stages, ...methods };
}

/** Tells whether a training list is the one that was learned from: its images and their tags. */
function digestOf({ samples }: Dataset): string {
  const hash = createHash("sha256");
  for (const { id, tags } of samples) hash.update(`${id}\t${tags?.join("") ?? "-"}\n`);
  return hash.digest("hex");
}
