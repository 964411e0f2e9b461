/**
 * One step of a start classifier: plain, Puzzle-CAM (Jo and Yu, 2021) or P-NOC (David, Pedrini and Dias, 2024). A function from networks,
 * images and tags to named losses; nothing here knows of files or time.
 */
import { classificationLoss } from "../losses/classification.ts";
import { fullPrecision } from "../losses/functional.ts";
import { reconstructionLoss } from "../losses/reconstruction.ts";
import type { Classifier } from "../models/classifier.ts";
import { cutIntoTiles, joinTiles } from "../models/puzzle.ts";
import { autocast, type Tensor } from "../torch/index.ts";
import { clipGradNorm, type Optimizer } from "../torch/optim/index.ts";
import type { Recipe } from "./config.ts";
import type { OrdinaryClassifier } from "./ordinary-classifier.ts";
import { learningRateFactor, rampValue } from "./schedules.ts";

export interface StartStepInput {
  /** In training mode; in P-NOC's terms the generator. */
  model: Classifier;
  optimizer: Optimizer;
  setFactor(factor: number): void;
  /** P-NOC's other network; none with the other methods. */
  ordinary?: OrdinaryClassifier;
  /** [B, 3, H, W], normalised. */
  images: Tensor;
  /** [B, C] on the images' device: 1 or 0. */
  tags: Tensor;
  /** [B, C] on the images' device: 1 for the class that is erased from an image; read with P-NOC alone. */
  chosen?: Tensor;
  recipe: Pick<Recipe, "pretrain" | "schedule" | "device">;
  /** `step` counts from 0. */
  progress: { step: number; steps: number };
  bf16: boolean;
}

export interface StartStepOutput {
  /** The weighted sum of all losses, of both networks. */
  total: Tensor;
  /** Without their weights. */
  losses: Record<string, Tensor>;
  /** Of all gradients of all networks together, before clipping; null without gradients. */
  norm: Tensor | null;
  stats: Record<string, Tensor | number>;
}

/** Losses, backward and update of the classifier, then of P-NOC's ordinary one. */
export function startStep(input: StartStepInput): StartStepOutput {
  const { model, optimizer, setFactor, ordinary, images, tags, chosen, recipe, progress } = input;
  const { pretrain, schedule } = recipe;
  const t = progress.step / progress.steps;
  const forward = <T>(body: () => T): T =>
    autocast({ enabled: input.bf16, dtype: "bfloat16", device: recipe.device }, body);

  const own = classifierTerms({ model, images, tags, pretrain, t, forward });
  const erasure = ordinary && own.cam && chosen ? { images, cam: own.cam, chosen } : null;
  const erased = erasure && ordinary ? ordinary.lookAtErased(erasure, { tags, t, forward }) : null;
  const loss = erased ? own.total.add(erased.weighted) : own.total;
  loss.backward();
  const norms = [clipGradNorm(model.parameters(), pretrain.clip_norm)];
  const factor = learningRateFactor(progress.step, progress.steps, schedule.decay);
  setFactor(factor);
  optimizer.step();
  optimizer.zeroGrad();

  const stats = { ...own.stats, ...erased?.stats, lr: pretrain.lr * factor };
  if (!erasure || !ordinary || !erased) return { total: loss, losses: own.losses, norm: norms[0]!, stats };
  const learned = ordinary.learn(erasure, { tags, t, factor, forward });
  norms.push(learned.norm);
  return {
    total: loss.detach().add(learned.weighted.detach()),
    losses: { ...own.losses, erasure: erased.loss, ordinary: learned.loss },
    norm: together(norms),
    stats: { ...stats, ...learned.stats },
  };
}

interface ClassifierTerms {
  losses: Record<string, Tensor>;
  total: Tensor;
  /** [B, C, h, w], with a graph; null with the plain method, which needs none. */
  cam: Tensor | null;
  stats: Record<string, number>;
}

interface ClassifierInput extends Pick<StartStepInput, "model" | "images" | "tags"> {
  pretrain: Recipe["pretrain"];
  /** Training's progress, 0..1. */
  t: number;
  forward<T>(body: () => T): T;
}

/** L_c; with puzzle and pnoc also on the maps of the tiles, and the reconstruction. */
function classifierTerms({ model, images, tags, pretrain, t, forward }: ClassifierInput): ClassifierTerms {
  const smoothing = pretrain.label_smoothing;
  const classify = (logits: Tensor) => classificationLoss(fullPrecision(logits), tags, { smoothing });
  if (pretrain.method === "cam") {
    const classification = classify(forward(() => model.forward(images, { cam: false })).logits);
    return { losses: { classification }, total: classification, cam: null, stats: {} };
  }
  const { tiles, weight, ramp } = pretrain.puzzle;
  const whole = forward(() => model.forward(images));
  const pieces = joinTiles(forward(() => model.forward(cutIntoTiles(images, tiles))).cam!, tiles);
  const losses = {
    classification: classify(whole.logits),
    tiles: classify(pieces.mean([2, 3])),
    reconstruction: reconstructionLoss(whole.cam!, pieces, tags),
  };
  const reconstruction_weight = ramp === 0 ? weight : rampValue({ from: 0, to: weight }, Math.min(1, t / ramp));
  const total = losses.classification.add(losses.tiles).add(losses.reconstruction.mul(reconstruction_weight));
  return { losses, total, cam: whole.cam!, stats: { reconstruction_weight } };
}

/** The norm of several norms. */
function together(norms: readonly (Tensor | null)[]): Tensor | null {
  const known = norms.filter((norm) => norm !== null);
  if (known.length < 2) return known[0] ?? null;
  return known
    .map((norm) => norm.mul(norm))
    .reduce((sum, square) => sum.add(square))
    .sqrt();
}
