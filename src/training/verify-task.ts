/** The verification training: a segmentation network on finished label maps, one cross-entropy a step and output. */
import { Loader } from "../data/loader.ts";
import type { PairOptions } from "../data/pairs.ts";
import type { Batch, Dataset } from "../data/types.ts";
import { fullPrecision } from "../losses/functional.ts";
import { labelMapLosses } from "../losses/label-map.ts";
import { inOrder, type Segmenter, type SegmenterInfo } from "../models/segmenter.ts";
import { fromTypedArray, processes, type Tensor, withPrecision } from "../torch/index.ts";
import type { LossScaler, LossScalerState, Optimizer } from "../torch/optim/index.ts";
import { batchesAhead, upload } from "./batches.ts";
import { assertSameClasses, type CheckpointContent, type SavedCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import { descend } from "./descend.ts";
import type { StepReport, TrainingTask } from "./loop.ts";
import { createOptimizer, divergenceRemedy, lossScalerFor, normalise, precisionOf } from "./network.ts";
import { otherDraws, randomState, restoreRandomState } from "./random-state.ts";
import { learningRateFactor } from "./schedules.ts";

export interface VerifyOptions {
  /** Prepared for training (frozen parts frozen, on its device). */
  segmenter: Segmenter;
  info: SegmenterInfo;
  /** Images that all have a label map. */
  dataset: Dataset;
  /** Pseudo-labels of an image as channels of the network, 255 = none. */
  labels: PairOptions["labels"];
  recipe: Recipe;
  /** Told what a person should know. */
  note?: (text: string) => void;
}

export class VerifyTask implements TrainingTask<Batch> {
  readonly steps: number;
  readonly #options: VerifyOptions;
  readonly #loader: Loader;
  readonly #optimizer: Optimizer;
  readonly #scaler: LossScaler | null;
  readonly #setFactor: (factor: number) => void;

  constructor(options: VerifyOptions) {
    const { segmenter, info, dataset, labels, recipe } = options;
    const { verify, seed } = recipe;
    this.#options = options;
    const { resize, kernel, place, flip } = verify;
    const [red, green, blue] = info.mean.map((mean) => Math.round(mean * 255));
    this.#loader = new Loader(dataset, {
      batchSize: verify.batch,
      size: verify.size,
      pairs: { labels, resize, kernel, place, flip, padding: [red!, green!, blue!] },
      seed,
      workers: batchesAhead(recipe),
      share: processes(),
      onBadImage: "skip",
    });
    this.steps = verifySteps(recipe, dataset.samples.length);
    ({ optimizer: this.#optimizer, setFactor: this.#setFactor } = verifyOptimizer(segmenter, recipe));
    this.#scaler = lossScalerFor(recipe);
  }

  get remedy(): string {
    return divergenceRemedy(this.#options.recipe, "verify.lr");
  }

  get skipped(): ReadonlyMap<string, string> {
    return this.#loader.skipped;
  }

  next(): Promise<Batch> {
    return this.#loader.next();
  }

  step({ images, labels, height, width, ids }: Batch, step: number): StepReport {
    const { segmenter, info, recipe } = this.#options;
    const { device } = recipe;
    const pixels = upload(fromTypedArray(images, [ids.length, height, width, 3]), device);
    return verifyStep({
      segmenter,
      images: inOrder(normalise(pixels, info), info),
      labels: upload(fromTypedArray(labels!, [ids.length, height, width]), device),
      optimizer: this.#optimizer,
      scaler: this.#scaler,
      setFactor: this.#setFactor,
      recipe,
      progress: { step, steps: this.steps },
    });
  }

  save(): CheckpointContent {
    const { segmenter, info, recipe } = this.#options;
    return {
      tensors: {
        model: segmenter.model.stateDict(),
        optimizer: this.#optimizer.stateDict(),
        random: randomState(recipe.device),
      },
      state: { classes: info.classes, loader: this.#loader.state(), scaler: this.#scaler?.state() },
    };
  }

  restore({ tensors, state, step }: SavedCheckpoint): void {
    const { segmenter, info, recipe, note = () => {} } = this.#options;
    assertSameClasses(state.classes, info.classes);
    segmenter.model.loadStateDict(tensors.model ?? new Map());
    this.#optimizer.loadStateDict(tensors.optimizer ?? new Map());
    this.#loader.restore(state.loader as ReturnType<Loader["state"]>);
    const { device, seed } = recipe;
    const then = restoreRandomState(tensors.random ?? new Map(), { device, seed, steps: step });
    if (then !== processes().size) note(otherDraws(then));
    this.#scaler?.restore(state.scaler as LossScalerState);
  }

  async close(): Promise<void> {
    await this.#loader.close();
    this.#optimizer.dispose();
  }
}

/** How many steps the recipe's verification makes on so many images. */
export function verifySteps({ verify }: Pick<Recipe, "verify">, images: number): number {
  return verify.steps ?? verify.epochs * Math.max(1, Math.floor(images / verify.batch));
}

/** Four groups: pretrained or new, weights or biases; the rates are those of the authors' and DeepLab's trainings by default. */
export function verifyOptimizer({ model, pretrained }: Segmenter, { verify }: Pick<Recipe, "verify">) {
  const { optimizer: name, lr, momentum, nesterov, weight_decay } = verify;
  return createOptimizer(
    model,
    {
      ...{ name, lr, momentum, nesterov, weight_decay },
      lr_scratch: lr * verify.lr_head_multiplier,
      bias_lr_multiplier: verify.lr_bias_multiplier,
    },
    pretrained,
  );
}

export interface VerifyStep {
  segmenter: Segmenter;
  /** [B, 3, H, W], as the network wants them. */
  images: Tensor;
  /** [B, H, W] uint8: channels of the network, 255 = none. */
  labels: Tensor;
  optimizer: Optimizer;
  /** For float16. */
  scaler?: LossScaler | null;
  setFactor(factor: number): void;
  recipe: Pick<Recipe, "verify" | "device" | "precision">;
  /** `step` counts from 0. */
  progress: { step: number; steps: number };
}

/** One step: losses of every output, their sum backward, the optimiser at its scheduled rate. */
export function verifyStep({
  segmenter,
  images,
  labels,
  optimizer,
  scaler = null,
  setFactor,
  recipe,
  progress,
}: VerifyStep): StepReport {
  const { verify, device } = recipe;
  const looks = withPrecision(precisionOf(recipe), device, () => segmenter.looks(images));
  const { outputs, lossAt, model } = segmenter;
  const each = labelMapLosses(looks.map(fullPrecision), labels, { at: lossAt, smoothing: verify.label_smoothing });
  const total = each.reduce((sum, loss) => sum.add(loss));
  const changed = progress.step - (progress.step % verify.decay_every);
  const factor = learningRateFactor(changed, progress.steps, verify.decay);
  setFactor(factor);
  const descended = descend({ total, network: model, optimizer, clipNorm: verify.clip_norm, scaler });
  const losses = Object.fromEntries(outputs.map((name, i) => [name, each[i]!]));
  return { total, losses, ...descended, stats: { lr: verify.lr * factor } };
}
