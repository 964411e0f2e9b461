/** The start: a classifier trained on tags alone, whose activation maps CSRM begins with. */
import { labelledOnly } from "../data/dataset.ts";
import { Loader } from "../data/loader.ts";
import type { Batch, Dataset } from "../data/types.ts";
import { safePoint } from "../interrupt.ts";
import type { Classifier } from "../models/classifier.ts";
import type { ModelInfo } from "../models/model-file.ts";
import type { Progress } from "../progress.ts";
import { byItself, cat, keep, processes, scope, type Tensor, withPrecision } from "../torch/index.ts";
import type { LossScaler, LossScalerState, Optimizer } from "../torch/optim/index.ts";
import { type BatchTensors, batchesAhead, batchTensors, upload } from "./batches.ts";
import { assertSameClasses, type CheckpointContent, type SavedCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import type { StepReport, TrainingTask } from "./loop.ts";
import { divergenceRemedy, lossScalerFor, normalise, precisionOf, startOptimizer } from "./network.ts";
import { OrdinaryClassifier } from "./ordinary-classifier.ts";
import { planStart } from "./plan.ts";
import { pooledFeatures, trainProbe } from "./probe.ts";
import { otherDraws, randomState, restoreRandomState } from "./random-state.ts";
import { startStep } from "./start-step.ts";

export interface PretrainOptions {
  model: Classifier;
  info: ModelInfo;
  dataset: Dataset;
  recipe: Recipe;
  /** P-NOC's other network, prepared for training; null with the other methods. */
  ordinary?: Classifier | null;
  /** Told what a person should know. */
  note?: (text: string) => void;
}

export class PretrainTask implements TrainingTask<Batch> {
  readonly steps: number;
  readonly #options: PretrainOptions;
  readonly #loader: Loader;
  readonly #tensors: (batches: readonly Batch[]) => BatchTensors;
  readonly #optimizer: Optimizer;
  readonly #scaler: LossScaler | null;
  readonly #setFactor: (factor: number) => void;
  readonly #ordinary: OrdinaryClassifier | undefined;

  /** @param options.model prepared for training (frozen parts frozen, on its device) */
  constructor(options: PretrainOptions) {
    const { model, recipe, ordinary } = options;
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
      share: processes(),
      onBadImage: "skip",
    });
    this.steps = planStart(recipe, dataset.samples.length).steps;
    ({ optimizer: this.#optimizer, setFactor: this.#setFactor } = startOptimizer(model, pretrain));
    if (ordinary) {
      this.#ordinary = new OrdinaryClassifier({
        model: ordinary,
        ...startOptimizer(ordinary, pretrain),
        scaler: lossScalerFor(recipe),
        recipe,
      });
    }
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
    // A minute of work on few numbers: every process does all of it, alike.
    byItself(() => trainProbe(model, features, tags, { epochs, lr, onEpoch: (done) => bar.update(done) }));
    features.dispose();
    tags.dispose();
  }

  async #features(progress: Progress): Promise<{ features: Tensor; tags: Tensor }> {
    const { model, info, dataset, recipe } = this.#options;
    const group = processes();
    // Sixteen, or what is nearest to it of a number that the processes can share.
    const most = Math.min(Math.max(16, group.size), dataset.samples.length);
    const batchSize = most - (most % group.size);
    const loader = new Loader(dataset, {
      batchSize,
      size: recipe.data.size,
      augment: { crop: "resize", flip: 0 },
      seed: recipe.seed,
      workers: batchesAhead(recipe),
      shuffle: false,
      share: group,
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
        features.push(keep(cat(group.gather(this.#forward(() => pooledFeatures(model, images))))));
        tags.push(keep(upload(cat(group.gather(rows)), recipe.device)));
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
    const { device } = recipe;
    const { pixels, tags } = this.#tensors([batch]);
    return startStep({
      model,
      optimizer: this.#optimizer,
      setFactor: this.#setFactor,
      scaler: this.#scaler,
      ordinary: this.#ordinary,
      images: normalise(upload(pixels, device), info),
      tags: upload(tags, device),
      chosen: this.#ordinary?.draw(tags).to({ device }),
      recipe,
      progress: { step, steps: this.steps },
      precision: precisionOf(recipe),
    });
  }

  #forward<T>(body: () => T): T {
    const { recipe } = this.#options;
    return withPrecision(precisionOf(recipe), recipe.device, body);
  }

  save(): CheckpointContent {
    const { model, recipe } = this.#options;
    const random = randomState(recipe.device);
    const ordinary = this.#ordinary?.save();
    return {
      tensors: { model: model.stateDict(), optimizer: this.#optimizer.stateDict(), random, ...ordinary?.tensors },
      state: {
        classes: this.#options.info.classes,
        loader: this.#loader.state(),
        scaler: this.#scaler?.state(),
        ...ordinary?.state,
      },
    };
  }

  restore(saved: SavedCheckpoint): void {
    const { tensors, state, step } = saved;
    const { recipe, note = () => {} } = this.#options;
    assertSameClasses(state.classes, this.#options.info.classes);
    this.#options.model.loadStateDict(tensors.model ?? new Map());
    this.#optimizer.loadStateDict(tensors.optimizer ?? new Map());
    this.#loader.restore(state.loader as ReturnType<Loader["state"]>);
    this.#ordinary?.restore(saved);
    const { device, seed } = recipe;
    const then = restoreRandomState(tensors.random ?? new Map(), { device, seed, steps: step });
    if (then !== processes().size) note(otherDraws(then));
    this.#scaler?.restore(state.scaler as LossScalerState);
  }

  async close(): Promise<void> {
    await this.#loader.close();
    this.#optimizer.dispose();
    this.#ordinary?.dispose();
  }
}
