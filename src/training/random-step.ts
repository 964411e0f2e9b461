/** One whole training step on random images and tags, of the size that a recipe asks for: does it fit, does it work, how long does it take. */
import { Rng } from "../data/rng.ts";
import { MemoryBank } from "../losses/memory-bank.ts";
import type { Classifier } from "../models/classifier.ts";
import type { CSRM } from "../models/csrm.ts";
import { buildModel, type ModelInfo } from "../models/model-file.ts";
import { manualSeed, rand, randint, scope, setThreads, type Tensor } from "../torch/index.ts";
import { withoutInit } from "../torch/nn/index.ts";
import type { Recipe } from "./config.ts";
import { csrmStep } from "./csrm-step.ts";
import { createOptimizer, normalise, precisionOf, prepare, startFreeze, startOptimizer } from "./network.ts";
import { OrdinaryClassifier } from "./ordinary-classifier.ts";
import { startStep } from "./start-step.ts";
import { updateNetworks } from "./update.ts";

export interface RandomStep {
  /** Of the second of two steps: the first one also allocates. */
  seconds: number;
  total: number;
  losses: Record<string, number>;
}

/** Steps after the warm-up, with every loss that the recipe has. @param student prepared for training; it learns from noise */
export function randomStep(student: CSRM, info: ModelInfo & { kind: "csrm" }, recipe: Recipe): RandomStep {
  const { device, batch, contrast } = recipe;
  setThreads(recipe.threads);
  manualSeed(recipe.seed);
  const images = batch.labelled + batch.unlabelled;
  const classes = student.classes;
  const teacher = withoutInit(() => buildModel(info));
  prepare(teacher, { ...recipe.model, batch_norm: "frozen" }, device);
  teacher.copyFrom(student);
  for (const parameter of teacher.parameters()) parameter.requiresGrad_(false);
  const { optimizer, setFactor } = createOptimizer(student, recipe.optimizer);
  const bank = new MemoryBank({ classes: classes + 1, channels: student.headChannels, ...contrast.bank, device });
  const rng = new Rng(recipe.seed, "classmix");
  const progress = { step: 0, warmup: 0, steps: 2 };
  const once = (step: number) =>
    scope(() => {
      const started = performance.now();
      const { pixels, tags } = noise(images, classes, recipe);
      const { losses, total } = csrmStep({
        student,
        teacher,
        images: normalise(pixels, info),
        pixels,
        tags,
        labelled: batch.labelled,
        bank,
        rng,
        recipe,
        progress: { ...progress, step },
        precision: precisionOf(recipe),
      });
      updateNetworks({ total, student, teacher, optimizer, setFactor, recipe, progress: { ...progress, step } });
      return read({ total, losses }, started);
    });
  try {
    once(0);
    return once(1);
  } finally {
    for (const each of [teacher, optimizer, bank]) each.dispose();
  }
}

/** The same for the start classifier, by the recipe's method. @param model prepared for training; it learns from noise */
export function randomStart(model: Classifier, info: ModelInfo, recipe: Recipe): RandomStep {
  const { device, pretrain } = recipe;
  setThreads(recipe.threads);
  manualSeed(recipe.seed);
  const second = pretrain.method === "pnoc" ? withoutInit(() => buildModel(info)) : null;
  if (second) {
    prepare(second, { ...startFreeze(recipe), batch_norm: "frozen" }, device);
    second.copyFrom(model);
  }
  const ordinary = second
    ? new OrdinaryClassifier({ model: second, ...startOptimizer(second, pretrain), recipe })
    : undefined;
  const learner = { model, ...startOptimizer(model, pretrain) };
  const once = (step: number) =>
    scope(() => {
      const started = performance.now();
      const { pixels, tags } = noise(pretrain.batch, model.classes, recipe);
      const chosen = ordinary?.draw(tags.to({ device: "cpu" })).to({ device });
      const images = normalise(pixels, info);
      const progress = { step, steps: 2 };
      return read(
        startStep({ ...learner, ordinary, images, tags, chosen, recipe, progress, precision: precisionOf(recipe) }),
        started,
      );
    });
  try {
    once(0);
    return once(1);
  } finally {
    for (const each of [learner.optimizer, ordinary, second]) each?.dispose();
  }
}

/** Random images, [B, H, W, 3] uint8, and tags, [B, C], one or two an image. */
function noise(images: number, classes: number, { device, data }: Recipe): { pixels: Tensor; tags: Tensor } {
  return {
    pixels: randint(0, 256, [images, ...data.size, 3], { device }).to("uint8"),
    tags: rand([images, classes], { device })
      .lt(Math.min(1, 1.5 / classes))
      .to("float32"),
  };
}

function read({ total, losses }: { total: Tensor; losses: Record<string, Tensor> }, started: number): RandomStep {
  const values = Object.fromEntries(Object.entries(losses).map(([name, loss]) => [name, loss.item()]));
  return { total: total.item(), losses: values, seconds: (performance.now() - started) / 1000 };
}
