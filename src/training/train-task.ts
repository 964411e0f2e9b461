/** The main training: student, EMA teacher and memory bank around csrmStep, with everything that a checkpoint must hold. */
import { plainly } from "../data/augment.ts";
import { labelledOnly } from "../data/dataset.ts";
import { Loader } from "../data/loader.ts";
import { Rng } from "../data/rng.ts";
import type { Batch, Dataset } from "../data/types.ts";
import { MemoryBank, type MemoryBankState } from "../losses/memory-bank.ts";
import type { CSRM } from "../models/csrm.ts";
import type { ModelInfo } from "../models/model-file.ts";
import { processes } from "../torch/index.ts";
import type { LossScaler, LossScalerState, Optimizer } from "../torch/optim/index.ts";
import { type BatchTensors, batchesAhead, batchTensors, upload } from "./batches.ts";
import { assertSameClasses, type CheckpointContent, type SavedCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import { csrmStep } from "./csrm-step.ts";
import type { StepReport, TrainingTask } from "./loop.ts";
import { createOptimizer, divergenceRemedy, lossScalerFor, normalise, precisionOf } from "./network.ts";
import { planSteps } from "./plan.ts";
import { otherDraws, randomState, restoreRandomState } from "./random-state.ts";
import { updateNetworks } from "./update.ts";

export interface TrainOptions {
  student: CSRM;
  /** A copy of the student; gets no gradients. */
  teacher: CSRM;
  info: ModelInfo;
  dataset: Dataset;
  recipe: Recipe;
  /** Told what a person should know. */
  note?: (text: string) => void;
}

/** The labelled half of a step and, where the recipe has one, the other half, which is not augmented. */
type Halves = readonly Batch[];

export class TrainTask implements TrainingTask<Halves> {
  readonly steps: number;
  readonly warmup: number;
  readonly #options: TrainOptions;
  readonly #loaders: readonly Loader[];
  readonly #tensors: (batches: readonly Batch[]) => BatchTensors;
  readonly #optimizer: Optimizer;
  readonly #scaler: LossScaler | null;
  readonly #setFactor: (factor: number) => void;
  readonly #bank: MemoryBank;
  readonly #rng: Rng;

  /** @param options.student prepared for training (frozen parts frozen, on its device) */
  constructor(options: TrainOptions) {
    const { student, teacher, dataset, recipe } = options;
    const { batch, data, seed } = recipe;
    this.#options = options;
    this.#tensors = batchTensors(dataset);
    const share = processes();
    const common = {
      size: data.size,
      workers: batchesAhead(recipe),
      sampler: batch.sampler,
      onBadImage: "skip" as const,
      share,
    };
    // The unlabelled half is shown as it is: what the teacher says of it should not depend on an augmentation.
    const plain = plainly(recipe.transforms);
    const tagged = labelledOnly(dataset);
    this.#loaders = [
      new Loader(tagged, { ...common, batchSize: batch.labelled, augment: recipe.transforms, seed }),
      ...(batch.unlabelled > 0
        ? [new Loader(dataset, { ...common, batchSize: batch.unlabelled, augment: plain, seed: seed + 1 })]
        : []),
    ];
    ({ steps: this.steps, warmup: this.warmup } = planSteps(recipe, tagged.samples.length));
    for (const parameter of teacher.parameters()) parameter.requiresGrad_(false);
    ({ optimizer: this.#optimizer, setFactor: this.#setFactor } = createOptimizer(student, recipe.optimizer));
    this.#scaler = lossScalerFor(recipe);
    const { foreground, background } = recipe.contrast.bank;
    const classes = dataset.classes.ids.length;
    this.#bank = new MemoryBank({
      classes,
      channels: student.headChannels,
      foreground,
      background,
      device: recipe.device,
    });
    this.#rng = mixingRng(seed);
  }

  get remedy(): string {
    return divergenceRemedy(this.#options.recipe, "optimizer.lr, optimizer.lr_scratch");
  }

  get skipped(): ReadonlyMap<string, string> {
    return new Map(this.#loaders.flatMap((loader) => [...loader.skipped]));
  }

  next(): Promise<Halves> {
    return Promise.all(this.#loaders.map((loader) => loader.next()));
  }

  step(batches: Halves, step: number): StepReport {
    const { student, teacher, info, recipe } = this.#options;
    const { device, optimizer } = recipe;
    const progress = { step, warmup: this.warmup, steps: this.steps };
    const { pixels, tags } = this.#tensors(batches);
    const shown = upload(pixels, device);
    const output = csrmStep({
      student,
      teacher,
      images: normalise(shown, info),
      pixels: shown,
      tags: upload(tags, device),
      labelled: recipe.batch.labelled / processes().size,
      bank: this.#bank,
      rng: this.#rng,
      recipe,
      progress,
      precision: precisionOf(recipe),
    });
    const { factor, decay, ...descended } = updateNetworks({
      total: output.total,
      student,
      teacher,
      optimizer: this.#optimizer,
      scaler: this.#scaler,
      setFactor: this.#setFactor,
      recipe,
      progress,
    });
    return { ...output, ...descended, stats: { ...output.stats, lr: optimizer.lr * factor, ema_decay: decay } };
  }

  save(): CheckpointContent {
    const { student, teacher, recipe } = this.#options;
    const bank = this.#bank.state();
    return {
      tensors: {
        student: student.stateDict(),
        teacher: teacher.stateDict(),
        optimizer: this.#optimizer.stateDict(),
        bank: bank.tensors,
        random: randomState(recipe.device),
      },
      state: {
        classes: this.#options.info.classes,
        loaders: this.#loaders.map((loader) => loader.state()),
        classmix: this.#rng.state(),
        classmix_by_process: processes().exchange(this.#rng.state()),
        bank: bank.json,
        scaler: this.#scaler?.state(),
      },
    };
  }

  restore({ tensors, state, step }: SavedCheckpoint): void {
    const { student, teacher, info, recipe, note = () => {} } = this.#options;
    assertSameClasses(state.classes, info.classes);
    const group = (name: string) => tensors[name] ?? new Map();
    student.loadStateDict(group("student"));
    teacher.loadStateDict(group("teacher"));
    this.#optimizer.loadStateDict(group("optimizer"));
    this.#bank.restore({ tensors: group("bank"), json: state.bank as MemoryBankState["json"] });
    const then = restoreRandomState(group("random"), { device: recipe.device, seed: recipe.seed, steps: step });
    if (then !== processes().size) note(otherDraws(then));
    const positions = state.loaders as ReturnType<Loader["state"]>[];
    this.#loaders.forEach((loader, i) => {
      loader.restore(positions[i]!);
    });
    const mixing = state.classmix_by_process as number[][] | undefined;
    const same = then === processes().size ? (mixing?.[processes().rank] ?? (state.classmix as number[])) : null;
    this.#rng.restore(same ?? mixingRng(recipe.seed, step).state());
    this.#scaler?.restore(state.scaler as LossScalerState);
  }

  async close(): Promise<void> {
    await Promise.all(this.#loaders.map((loader) => loader.close()));
    this.#optimizer.dispose();
    this.#bank.dispose();
  }
}

/** Every process mixes the images of its own share. @param steps done where it begins anew after that many */
function mixingRng(seed: number, ...steps: number[]): Rng {
  const { rank, size } = processes();
  return size === 1 && steps.length === 0 ? new Rng(seed, "classmix") : new Rng(seed, "classmix", rank, ...steps);
}
