/** The two training stages on disk: build or resume, train, leave model.safetensors. The command and the pipeline share them. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { Dataset } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import type { MetricsWriter } from "../metrics-writer.ts";
import type { Classifier } from "../models/classifier.ts";
import type { CSRM } from "../models/csrm.ts";
import { buildModel, type ModelInfo, modelInfo, modelMetadata, saveModel } from "../models/model-file.ts";
import type { Progress, Task } from "../progress.ts";
import type { Stage } from "../run-stage.ts";
import { liveTensors, manualSeed, processes, saveTensors, scope, setThreads } from "../torch/index.ts";
import { withoutInit } from "../torch/nn/index.ts";
import { CheckpointFolder, readCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import { EventsWriter } from "./events-writer.ts";
import { type TrainingTask, trainingLoop } from "./loop.ts";
import { describeModel, loadStart, prepare, startFreeze } from "./network.ts";
import { ordinaryPrior, type Prior } from "./ordinary-prior.ts";
import { PretrainTask } from "./pretrain-task.ts";
import { loadStartFile } from "./start-file.ts";
import { assertDivisible, assertShared, ownThreads, trainTogether } from "./together.ts";
import { TrainTask } from "./train-task.ts";

export interface StageOptions {
  stage: Stage;
  /** What the progress bar calls it; the stage's name where absent. */
  label?: string;
  recipe: Recipe;
  dataset: Dataset;
  progress: Progress;
  /** Asked after every step; true saves a checkpoint and stops. */
  stop: () => boolean;
}

export interface StageResult {
  /** False when it stopped on request. */
  finished: boolean;
  /** Of training, over all sessions. */
  seconds: number;
  steps: number;
  /** Images that could not be read in this session; others took their places. */
  skipped: string[];
  /** The trained network's file; there once finished. */
  model: string;
}

/** Trains the start classifier, by the recipe's method; RUN/pretrain/model.safetensors. */
export async function pretrainStage(options: StageOptions): Promise<StageResult> {
  assertTagged(options.dataset);
  if (options.recipe.pretrain.method !== "pnoc") return startClassifier(options);
  const begun = existsSync(checkpointFolder(options).last);
  const prior = await ordinaryPrior({ ...options, begun }, startClassifier);
  if (prior.unfinished) return prior.unfinished;
  const result = await startClassifier(options, prior);
  return { ...result, seconds: result.seconds + prior.seconds };
}

/** @param prior what P-NOC's second classifier begins with; the other methods have none */
async function startClassifier(options: StageOptions, prior?: Prior): Promise<StageResult> {
  const { recipe, dataset, progress } = options;
  assertDivisible({ "pretrain.batch": recipe.pretrain.batch });
  begin(recipe);
  const info = describeModel(recipe, "classifier", dataset.classes);
  const model: Classifier = buildModel(info);
  loadStart(model, recipe);
  const settings = startFreeze(recipe);
  prepare(model, settings, recipe.device);
  const checkpoints = checkpointFolder(options);
  const begun = existsSync(checkpoints.last);
  assertShared("last checkpoint", begun);
  const ordinary = prior ? withoutInit(() => buildModel(info)) : null;
  // Once there is a checkpoint, that has the second classifier's weights as well.
  if (prior && ordinary && !begun) loadStartFile(ordinary, { file: prior.model, info, progress });
  // The second classifier keeps the statistics that it has of whole images.
  if (ordinary) prepare(ordinary, { ...settings, batch_norm: "frozen" }, recipe.device);
  const task = new PretrainTask({ model, info, dataset, recipe, ordinary, note: progress.note });
  if (!begun) await task.probe(progress);
  const endTogether = trainTogether(ordinary ? [model, ordinary] : [model], recipe);
  const result = await runTraining(task, options, checkpoints);
  endTogether();
  if (result.finished) writtenByFirst(() => saveModel(result.model, model, info));
  model.dispose();
  ordinary?.dispose();
  return result;
}

/** Trains CSRM from a start classifier; RUN/train/model.safetensors is the teacher. */
export async function trainStage(options: StageOptions & { start: string }): Promise<StageResult> {
  const { recipe, dataset, progress, start } = options;
  assertTagged(dataset);
  const { labelled, unlabelled } = recipe.batch;
  assertDivisible({ "batch.labelled": labelled, "batch.unlabelled": unlabelled });
  begin(recipe);
  const info = describeModel(recipe, "csrm", dataset.classes) as ModelInfo & { kind: "csrm" };
  const student: CSRM = buildModel(info);
  loadStartFile(student, { file: start, info, progress });
  prepare(student, recipe.model, recipe.device);
  const teacher = withoutInit(() => buildModel(info));
  // Its second look is in training mode for the dropout's sake; statistics of its own would undo the average of the student's.
  prepare(teacher, { ...recipe.model, batch_norm: "frozen" }, recipe.device);
  teacher.copyFrom(student);
  const task = new TrainTask({ student, teacher, info, dataset, recipe, note: progress.note });
  if (task.warmup >= task.steps) {
    progress.note(
      `all ${task.steps} steps are warm-up, so L_s2c, L_u and L_m never run; set schedule.warmup_steps below schedule.steps`,
    );
  }
  const checkpoints = checkpointFolder(options);
  assertKept(recipe, checkpoints.kept(task.steps, recipe.checkpoints.every_steps));
  const endTogether = trainTogether([student, teacher], recipe);
  const result = await runTraining(task, options, checkpoints);
  endTogether();
  if (result.finished) writtenByFirst(() => saveModel(result.model, teacher, info));
  student.dispose();
  teacher.dispose();
  return result;
}

/**
 * The teacher at the end of training, or at an earlier checkpoint.
 * @param checkpoint "last" or "step-N"
 * @throws CsrmError when there is no such checkpoint
 */
export function trainedModel(stage: Stage, checkpoint: string): string {
  const last = path.join(stage.path, "model.safetensors");
  if (checkpoint === "last") return last;
  const file = path.join(stage.path, `model-${checkpoint}.safetensors`);
  if (existsSync(file)) return file;
  const info = modelInfo(last);
  scope(() => {
    const { tensors } = readCheckpoint(path.join(stage.checkpoints, `${checkpoint}.safetensors`), stage.name);
    saveTensors(file, tensors.teacher ?? new Map(), modelMetadata(info));
  });
  return file;
}

/** A checkpoint to predict with must still be there when training is over: better to say so before. */
function assertKept({ predict, checkpoints }: Recipe, kept: readonly number[]): void {
  const step = /^step-(\d+)$/.exec(predict.checkpoint)?.[1];
  if (step === undefined || kept.includes(Number(step))) return;
  throw expected(
    `last or one of ${kept.map((each) => `step-${each}`).join(", ")}`,
    "predict.checkpoint",
    predict.checkpoint,
    `only these are left at the end; raise checkpoints.keep (${checkpoints.keep}) to keep more`,
  );
}

/** The first process writes a file; the others go on when it is there. */
export function writtenByFirst(write: () => void): void {
  if (processes().rank === 0) write();
  processes().exchange(null);
}

/** What every stage does first. */
export function begin(recipe: Recipe): void {
  setThreads(ownThreads(recipe.threads));
  manualSeed(recipe.seed);
}

/** Where a stage keeps its checkpoints. */
export function checkpointFolder({ stage, recipe }: StageOptions): CheckpointFolder {
  return new CheckpointFolder({ folder: stage.checkpoints, stage: stage.name, keep: recipe.checkpoints.keep });
}

/** The training loop with its log and progress, from the last checkpoint to the end or to the next stop. */
export async function runTraining<B>(
  task: TrainingTask<B>,
  options: StageOptions,
  checkpoints: CheckpointFolder,
): Promise<StageResult> {
  const { stage, recipe, progress, stop } = options;
  let metrics: MetricsWriter | undefined;
  let events: EventsWriter | undefined;
  let bar: Task | undefined;
  let total = 0;
  const told = new Set<string>();
  const work = trainingLoop(task, {
    checkpoints,
    checkpointEvery: recipe.checkpoints.every_steps,
    logEvery: recipe.log.every_steps,
    stop,
    onStart(done) {
      if (processes().rank === 0) {
        metrics = stage.metrics(done);
        events = new EventsWriter(stage.path, done);
      }
      bar = progress.task({ label: options.label ?? stage.name, total: task.steps, initial: done, unit: "steps" });
    },
    onRecord(record) {
      total = record.total;
      const numbers = { ...record, live_tensors: liveTensors() };
      metrics?.append(numbers);
      events?.append(numbers);
    },
    onStep(done) {
      bar?.update(done, { extras: { loss: total.toFixed(3) } });
      const { skipped } = task;
      if (skipped.size === told.size) return;
      // A file may turn up in either of two loaders first, so the order of what is known says nothing.
      for (const [file, reason] of skipped) {
        if (!told.has(file)) progress.note(`skipped ${file}: ${reason}`);
        told.add(file);
      }
    },
  });
  const { finished, seconds } = await work.finally(() => task.close());
  bar?.finish();
  return {
    finished,
    seconds,
    steps: task.steps,
    skipped: [...task.skipped.keys()],
    model: path.join(stage.path, "model.safetensors"),
  };
}

function assertTagged(dataset: Dataset): void {
  if (dataset.samples.some((sample) => sample.tags?.some((tag) => tag > 0))) return;
  throw new CsrmError(
    `none of the ${dataset.samples.length} images of ${dataset.name} has a tag of the classes ${dataset.classes.names.slice(1).join(", ")}; ` +
      "training needs images with tags (csrm data check shows what was read)",
    { code: "data" },
  );
}
