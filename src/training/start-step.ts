/**
 * One step of a start classifier: plain, Puzzle-CAM (Jo and Yu, 2021) or P-NOC (David, Pedrini and Dias, 2024). A function from networks,
 * images and tags to named losses; nothing here knows of files or time.
 */
import { expected } from "../errors.ts";
import { classificationLoss } from "../losses/classification.ts";
import { fullPrecision } from "../losses/functional.ts";
import { reconstructionLoss } from "../losses/reconstruction.ts";
import { cutIntoTiles, joinTiles } from "../models/puzzle.ts";
import { type Precision, type Tensor, withPrecision } from "../torch/index.ts";
import type { Recipe } from "./config.ts";
import type { Descended } from "./descend.ts";
import { type Learner, learn } from "./learner.ts";
import type { OrdinaryClassifier } from "./ordinary-classifier.ts";
import { learningRateFactor, rampValue } from "./schedules.ts";

/** The classifier is in training mode; in P-NOC's terms it is the generator. */
export interface StartStepInput extends Learner {
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
  precision: Precision;
}

export interface StartStepOutput extends Descended {
  /** The weighted sum of all losses, of both networks. */
  total: Tensor;
  /** Without their weights. */
  losses: Record<string, Tensor>;
  stats: Record<string, Tensor | number>;
}

/** Losses, backward and update of the classifier, then of P-NOC's ordinary one. @throws CsrmError for P-NOC without that one */
export function startStep(input: StartStepInput): StartStepOutput {
  const { model, ordinary, images, tags, chosen, recipe, progress } = input;
  const { pretrain, schedule } = recipe;
  const t = progress.step / progress.steps;
  const factor = learningRateFactor(progress.step, progress.steps, schedule.decay);
  const update = { clipNorm: pretrain.clip_norm, factor };
  const forward = <T>(body: () => T): T => withPrecision(input.precision, recipe.device, body);

  const own = classifierTerms({ model, images, tags, pretrain, t, forward });
  const stats = { ...own.stats, lr: pretrain.lr * factor };
  if (pretrain.method !== "pnoc") {
    return { total: own.total, losses: own.losses, ...learn(input, own.total, update), stats };
  }
  if (!ordinary || !chosen || !own.cam) {
    throw expected("a second classifier and the classes to erase", "a step of P-NOC", undefined);
  }
  const erasure = { images, cam: own.cam, chosen };
  const judged = ordinary.judge(erasure, { tags, t, forward });
  const generator = own.total.add(judged.weighted);
  const descended = learn(input, generator, update);
  const learned = ordinary.learn(erasure, { tags, t, forward, ...update });
  return {
    total: generator.detach().add(learned.weighted.detach()),
    losses: { ...own.losses, erasure: judged.loss, ordinary: learned.loss },
    ...together(descended, learned.descended),
    stats: { ...stats, ...judged.stats, ...learned.stats },
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

/** Two networks as one: the norm of all their gradients, the smaller scale, and whether one of them left the step out. */
function together(a: Descended, b: Descended): Descended {
  const norms = [a.norm, b.norm].filter((norm) => norm !== null);
  const norm = norms.length < 2 ? (norms[0] ?? null) : norms[0]!.mul(norms[0]!).add(norms[1]!.mul(norms[1]!)).sqrt();
  if (!a.scaling || !b.scaling) return { norm };
  const scale = Math.min(a.scaling.scale, b.scaling.scale);
  const skipped = a.scaling.skipped + b.scaling.skipped;
  return { norm, scaling: { scale, skipped, now: a.scaling.now || b.scaling.now } };
}
