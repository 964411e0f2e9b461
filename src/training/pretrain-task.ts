/** The start: a plain CAM classifier trained on tags alone, whose activation maps CSRM begins with. */
import { labelledOnly } from "../data/dataset.ts";
import { Loader } from "../data/loader.ts";
import type { Batch, Dataset } from "../data/types.ts";
import { safePoint } from "../interrupt.ts";
import { classificationLoss } from "../losses/classification.ts";
import type { Classifier } from "../models/classifier.ts";
import type { ModelInfo } from "../models/model-file.ts";
import type { Progress } from "../progress.ts";
import { cat, keep, scope, type Tensor, withPrecision } from "../torch/index.ts";
import type { LossScaler, LossScalerState, Optimizer } from "../torch/optim/index.ts";
import { type BatchTensors, batchesAhead, batchTensors, upload } from "./batches.ts";
import { assertSameClasses, type CheckpointContent, type SavedCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import { descend } from "./descend.ts";
import type { StepReport, TrainingTask } from "./loop.ts";
import { createOptimizer, divergenceRemedy, lossScalerFor, normalise, precisionOf } from "./network.ts";
import { pooledFeatures, trainProbe } from "./probe.ts";
import { randomState, restoreRandomState } from "./random-state.ts";
import { learningRateFactor } from "./schedules.ts";

export interface PretrainOptions {
  model: Classifier;
  info: ModelInfo;
  dataset: Dataset;
  recipe: Recipe;
}

export class PretrainTask implements TrainingTask<Batch> {
  readonly steps: number;
  readonly #options: PretrainOptions;
  readonly #loader: Loader;
  readonly #tensors: (batches: readonly Batch[]) => BatchTensors;
  readonly #optimizer: Optimizer;
  readonly #scaler: LossScaler | null;
  readonly #setFactor: (factor: number) => void;

  /** @param options.model prepared for training (frozen parts frozen, on its device) */
  constructor(options: PretrainOptions) {
    const { model, recipe } = options;
    const { pretrain } = recipe;
    // Images without tags teach a classifier nothing.
    const dataset = labelledOnly(options.dataset);
    this.#options = { ...options, dataset };
    this.#tensors = batchTensors(dataset);
    this.#loader = new Loader(dataset, {
      batchSize: pretrain.batch,
      size: recipe.data.size,
      augment: recipe.transforms,
      seed: recipe.seed,
      workers: batchesAhead(recipe),
      shuffle: true,
      onBadImage: "skip",
    });
    this.steps = pretrain.epochs * Math.max(1, Math.floor(dataset.samples.length / pretrain.batch));
    const rates = { lr: pretrain.lr, lr_scratch: pretrain.lr * pretrain.lr_head_multiplier, bias_lr_multiplier: 1 };
    const { momentum, weight_decay } = pretrain;
    const settings = { name: pretrain.optimizer, ...rates, momentum, nesterov: false, weight_decay };
    ({ optimizer: this.#optimizer, setFactor: this.#setFactor } = createOptimizer(model, settings, ["backbone."]));
    this.#scaler = lossScalerFor(recipe);
  }

  get remedy(): string {
    return divergenceRemedy(this.#options.recipe, "pretrain.lr");
  }

  get skipped(): ReadonlyMap<string, string> {
    return this.#loader.skipped;
  }

  /** The probe, where the recipe has one; to be run once, before the first step. */
  async probe(progress: Progress): Promise<void> {
    const { model, recipe } = this.#options;
    const { epochs, lr } = recipe.pretrain.probe;
    if (epochs === 0) return;
    const { features, tags } = await this.#features(progress);
    using bar = progress.task({ label: "probe: head", total: epochs, unit: "epochs" });
    trainProbe(model, features, tags, { epochs, lr, onEpoch: (done) => bar.update(done) });
    features.dispose();
    tags.dispose();
  }

  async #features(progress: Progress): Promise<{ features: Tensor; tags: Tensor }> {
    const { model, info, dataset, recipe } = this.#options;
    const batchSize = Math.min(16, dataset.samples.length);
    const loader = new Loader(dataset, {
      batchSize,
      size: recipe.data.size,
      augment: { crop: "resize", flip: 0 },
      seed: recipe.seed,
      workers: batchesAhead(recipe),
      shuffle: false,
      onBadImage: "skip",
    });
    const features: Tensor[] = [];
    const tags: Tensor[] = [];
    const batches = Math.floor(dataset.samples.length / batchSize);
    using bar = progress.task({ label: "probe: features", total: batches * batchSize, unit: "images" });
    for (let i = 0; i < batches; i++) {
      const batch = await loader.next();
      await safePoint();
      scope(() => {
        const { pixels, tags: rows } = this.#tensors([batch]);
        const images = normalise(upload(pixels, recipe.device), info);
        features.push(keep(this.#forward(() => pooledFeatures(model, images))));
        tags.push(keep(upload(rows.clone(), recipe.device)));
      });
      bar.update((i + 1) * batchSize);
    }
    await loader.close();
    const joined = { features: cat(features), tags: cat(tags) };
    for (const tensor of [...features, ...tags]) tensor.dispose();
    return joined;
  }

  next(): Promise<Batch> {
    return this.#loader.next();
  }

  step(batch: Batch, step: number): StepReport {
    const { model, info, recipe } = this.#options;
    const { device, pretrain } = recipe;
    const { pixels, tags } = this.#tensors([batch]);
    const images = normalise(upload(pixels, device), info);
    const { logits } = this.#forward(() => model.forward(images, { cam: false }));
    const smoothing = pretrain.label_smoothing;
    const total = classificationLoss(logits.float(), upload(tags, device), { smoothing });
    const factor = learningRateFactor(step, this.steps, recipe.schedule.decay);
    this.#setFactor(factor);
    const [optimizer, scaler] = [this.#optimizer, this.#scaler];
    const descended = descend({ total, network: model, optimizer, clipNorm: pretrain.clip_norm, scaler });
    return { total, losses: { classification: total }, ...descended, stats: { lr: pretrain.lr * factor } };
  }

  #forward<T>(body: () => T): T {
    const { recipe } = this.#options;
    return withPrecision(precisionOf(recipe), recipe.device, body);
  }

  save(): CheckpointContent {
    const { model, recipe } = this.#options;
    const random = randomState(recipe.device);
    return {
      tensors: { model: model.stateDict(), optimizer: this.#optimizer.stateDict(), random },
      state: {
        classes: this.#options.info.classes,
        loader: this.#loader.state(),
        scaler: this.#scaler?.state(),
      },
    };
  }

  restore({ tensors, state }: SavedCheckpoint): void {
    assertSameClasses(state.classes, this.#options.info.classes);
    this.#options.model.loadStateDict(tensors.model ?? new Map());
    this.#optimizer.loadStateDict(tensors.optimizer ?? new Map());
    this.#loader.restore(state.loader as ReturnType<Loader["state"]>);
    restoreRandomState(tensors.random ?? new Map());
    this.#scaler?.restore(state.scaler as LossScalerState);
  }

  async close(): Promise<void> {
    await this.#loader.close();
    this.#optimizer.dispose();
  }
}
