/** One whole training step on random images and tags, of the size that a recipe asks for: does it fit, does it work, how long does it take. */
import { Rng } from "../data/rng.ts";
import { MemoryBank } from "../losses/memory-bank.ts";
import type { CSRM } from "../models/csrm.ts";
import { buildModel, type ModelInfo } from "../models/model-file.ts";
import { manualSeed, rand, randint, scope, setThreads } from "../torch/index.ts";
import { withoutInit } from "../torch/nn/index.ts";
import type { Recipe } from "./config.ts";
import { csrmStep } from "./csrm-step.ts";
import { createOptimizer, normalise, precisionOf, prepare } from "./network.ts";
import { updateNetworks } from "./update.ts";

export interface RandomStep {
  /** Of the second of two steps: the first one also allocates. */
  seconds: number;
  total: number;
  losses: Record<string, number>;
}

/** Steps after the warm-up, with every loss that the recipe has. @param student prepared for training; it learns from noise */
export function randomStep(student: CSRM, info: ModelInfo & { kind: "csrm" }, recipe: Recipe): RandomStep {
  const { device, batch, data, contrast } = recipe;
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
      const pixels = randint(0, 256, [images, ...data.size, 3], { device }).to("uint8");
      const { losses, total } = csrmStep({
        student,
        teacher,
        images: normalise(pixels, info),
        pixels,
        tags: rand([images, classes], { device })
          .lt(Math.min(1, 1.5 / classes))
          .to("float32"),
        labelled: batch.labelled,
        bank,
        rng,
        recipe,
        progress: { ...progress, step },
        precision: precisionOf(recipe),
      });
      updateNetworks({ total, student, teacher, optimizer, setFactor, recipe, progress: { ...progress, step } });
      const values = Object.fromEntries(Object.entries(losses).map(([name, loss]) => [name, loss.item()]));
      return { total: total.item(), losses: values, seconds: (performance.now() - started) / 1000 };
    });
  try {
    once(0);
    return once(1);
  } finally {
    for (const each of [teacher, optimizer, bank]) each.dispose();
  }
}
