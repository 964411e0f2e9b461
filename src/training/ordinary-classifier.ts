/**
 * P-NOC's not-so-ordinary classifier (David, Pedrini and Dias, 2024): it is shown images from which a class was erased and, in turns,
 * judges how well that was done and learns to find what was left of the class.
 */
import { Rng } from "../data/rng.ts";
import { classificationLoss } from "../losses/classification.ts";
import { type Erasure, eraseHard, eraseSoftly, erasureLoss } from "../losses/erasure.ts";
import { fullPrecision } from "../losses/functional.ts";
import type { Classifier } from "../models/classifier.ts";
import { cat, processes, scope, type Tensor, tensor } from "../torch/index.ts";
import type { LossScalerState } from "../torch/optim/index.ts";
import type { CheckpointContent, SavedCheckpoint } from "./checkpoint.ts";
import type { Recipe } from "./config.ts";
import type { Descended } from "./descend.ts";
import { type Learner, learn } from "./learner.ts";
import { rampValue } from "./schedules.ts";

/** The network is prepared for training. */
export interface OrdinaryClassifierOptions extends Learner {
  recipe: Pick<Recipe, "pretrain" | "seed">;
  /** Draws the class to erase; from the recipe's seed where absent. */
  rng?: Rng;
}

interface Context {
  /** [B, C]: 1 or 0. */
  tags: Tensor;
  /** Training's progress, 0..1. */
  t: number;
  /** Runs a network in the recipe's precision. */
  forward<T>(body: () => T): T;
}

/** Loss and weight apart, as the log has them, and their product. */
interface Term {
  loss: Tensor;
  weighted: Tensor;
  stats: Record<string, number>;
}

export class OrdinaryClassifier {
  readonly model: Classifier;
  readonly #options: OrdinaryClassifierOptions;
  readonly #rng: Rng;
  /** What learns in its own turn; it rests in the generator's. */
  readonly #learning: readonly Tensor[];

  constructor(options: OrdinaryClassifierOptions) {
    this.#options = options;
    this.model = options.model;
    this.#learning = options.model.parameters().filter((parameter) => parameter.requiresGrad);
    this.#rng = options.rng ?? new Rng(options.recipe.seed, "erasure");
  }

  /**
   * Draws, for every image, one of its tags to erase. Of several processes all draw alike, for the whole batch, and each keeps its part.
   * @param tags [B, C] on the CPU: 1 or 0, rows of −1 for images without tags
   * @returns [B, C] on the CPU: 1 for the drawn class; a row of zeros where there is none to draw
   */
  draw(tags: Tensor): Tensor {
    const { rank } = processes();
    const [own] = tags.shape as [number, number];
    return scope(() => this.#drawAll(cat(processes().gather(tags))).narrow(0, rank * own, own));
  }

  #drawAll(tags: Tensor): Tensor {
    const [images, classes] = tags.shape as [number, number];
    const values = tags.toArray();
    const chosen = new Float32Array(images * classes);
    for (let image = 0; image < images; image++) {
      const present = Array.from({ length: classes }, (_, c) => image * classes + c).filter((at) => values[at]! > 0);
      if (present.length > 0) chosen[present[this.#rng.int(present.length)]!] = 1;
    }
    return tensor(chosen, { shape: [images, classes] });
  }

  /** The generator's turn: after the soft erasure nothing of the class should be seen. The gradient passes through to the map, and no further. */
  judge(erasure: Erasure, { tags, t, forward }: Context): Term {
    const { pnoc, label_smoothing: smoothing } = this.#options.recipe.pretrain;
    const { model } = this;
    model.eval();
    for (const parameter of this.#learning) parameter.requiresGrad_(false);
    try {
      const { logits } = forward(() => model.forward(eraseSoftly(erasure), { cam: false }));
      const loss = erasureLoss(fullPrecision(logits), { tags, chosen: erasure.chosen, smoothing });
      const erasure_weight = rampValue(pnoc.erasure_weight, t);
      return { loss, weighted: loss.mul(erasure_weight), stats: { erasure_weight } };
    } finally {
      for (const parameter of this.#learning) parameter.requiresGrad_(true);
      model.train();
    }
  }

  /** Its own turn: after the hard erasure the class should still be seen. */
  learn(
    erasure: Erasure,
    { tags, t, forward, clipNorm, factor }: Context & { clipNorm: number | null; factor: number },
  ): Term & { descended: Descended } {
    const { pnoc, label_smoothing: smoothing } = this.#options.recipe.pretrain;
    const images = eraseHard(erasure, pnoc.threshold);
    const { logits } = forward(() => this.model.forward(images, { cam: false }));
    const loss = classificationLoss(fullPrecision(logits), tags, { smoothing });
    const ordinary_weight = rampValue(pnoc.ordinary_weight, t);
    const weighted = loss.mul(ordinary_weight);
    const descended = learn(this.#options, weighted, { clipNorm, factor });
    return { loss, weighted, descended, stats: { ordinary_weight } };
  }

  save(): CheckpointContent {
    return {
      tensors: { ordinary: this.model.stateDict(), ordinary_optimizer: this.#options.optimizer.stateDict() },
      state: { erasure: this.#rng.state(), ordinary_scaler: this.#options.scaler?.state() },
    };
  }

  restore({ tensors, state }: SavedCheckpoint): void {
    this.model.loadStateDict(tensors.ordinary ?? new Map());
    this.#options.optimizer.loadStateDict(tensors.ordinary_optimizer ?? new Map());
    this.#rng.restore(state.erasure as number[]);
    this.#options.scaler?.restore(state.ordinary_scaler as LossScalerState);
  }

  /** Frees the optimiser's state; the network belongs to whoever made it. */
  dispose(): void {
    this.#options.optimizer.dispose();
  }
}
