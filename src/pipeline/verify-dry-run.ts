/** What csrm verify would do, without doing it: network, images and their label maps, steps, and one step on random images. Writes nothing. */
import { existsSync } from "node:fs";
import path from "node:path";
import type { ClassTable } from "../data/types.ts";
import { inOrder, type Segmenter, type SegmenterInfo } from "../models/segmenter.ts";
import { manualSeed, randint, scope, setThreads } from "../torch/index.ts";
import type { Recipe } from "../training/config.ts";
import { normalise } from "../training/network.ts";
import { openRecipeData } from "../training/recipe-data.ts";
import { describeSegmenter, newSegmenter } from "../training/verify-network.ts";
import { verifyOptimizer, verifyStep, verifySteps } from "../training/verify-task.ts";
import { attempt } from "./dry-run.ts";
import { checkVerification } from "./verify.ts";
import { givenLabels, verifyList } from "./verify-labels.ts";

export interface VerifyDryRun {
  recipe: Recipe;
  network: { name: SegmenterInfo["network"]; backbone: string; parameters: number; trainable: number } | null;
  /** Of the training list; null where it cannot be opened. */
  images: number | null;
  /** The folder of label maps; null: the run makes them itself. */
  labels: string | null;
  steps: number | null;
  /** null where it was not wanted, or where something stands in its way. */
  step: { seconds: number; loss: number; peak_bytes: number | null } | null;
  /** What would keep it from running here; empty when nothing is known. */
  problems: string[];
}

export interface VerifyDryRunOptions {
  /** Run folder, which may be absent. */
  out: string;
  labels?: string;
  /** Whether to make a step on random images. */
  step: boolean;
  problems?: readonly string[];
}

export async function verifyDryRun(recipe: Recipe, options: VerifyDryRunOptions): Promise<VerifyDryRun> {
  const problems = [...(options.problems ?? [])];
  const dataset = await attempt(problems, () => openRecipeData(recipe, verifyList(recipe)));
  const { labels } = options;
  const trained = path.join(options.out, "train", "model.safetensors");
  if (labels !== undefined) await attempt(problems, () => givenLabels(recipe, labels));
  else if (!existsSync(trained))
    problems.push(`no network at ${trained} to make label maps; csrm run makes one, --labels names others`);
  if (dataset) await attempt(problems, () => checkVerification(recipe, dataset.classes));
  const built = dataset && (await attempt(problems, () => build(recipe, dataset.classes)));
  const step = built && options.step && problems.length === 0 ? randomStep(built.segmenter, built.info, recipe) : null;
  if (step && !Number.isFinite(step.loss)) {
    problems.push(
      `after one step on random images the loss is ${step.loss}; random weights (verify.weights) with frozen batch normalisation ` +
        "(verify.batch_norm) or too high a rate (verify.lr) do that",
    );
  }
  const parameters = built ? built.segmenter.model.parameters() : [];
  const sizeOf = (list: typeof parameters) => list.reduce((sum, each) => sum + each.numel, 0);
  const network = built && {
    name: built.info.network,
    backbone: built.info.backbone,
    parameters: sizeOf(parameters),
    trainable: sizeOf(parameters.filter((each) => each.requiresGrad)),
  };
  built?.segmenter.model.dispose();
  const images = dataset ? dataset.samples.length : null;
  const steps = recipe.verify.steps ?? (images === null ? null : verifySteps(recipe, images));
  return { recipe, network, images, labels: labels ?? null, steps, step, problems: [...new Set(problems)] };
}

function build(recipe: Recipe, classes: ClassTable): { segmenter: Segmenter; info: SegmenterInfo } {
  manualSeed(recipe.seed);
  const info = describeSegmenter(recipe, classes);
  return { segmenter: newSegmenter(recipe, info), info };
}

/** The second of two steps: the first one also allocates. */
function randomStep(segmenter: Segmenter, info: SegmenterInfo, recipe: Recipe): NonNullable<VerifyDryRun["step"]> {
  const { device, verify, threads } = recipe;
  setThreads(threads);
  const { optimizer, setFactor } = verifyOptimizer(segmenter, recipe);
  const once = (step: number) =>
    scope(() => {
      const started = performance.now();
      const pixels = randint(0, 256, [verify.batch, ...verify.size, 3], { device }).to("uint8");
      const labels = randint(0, info.classes.ids.length, [verify.batch, ...verify.size], { device }).to("uint8");
      const images = inOrder(normalise(pixels, info), info);
      const progress = { step, steps: 2 };
      const { total } = verifyStep({ segmenter, images, labels, optimizer, setFactor, recipe, progress });
      return { loss: total.item(), seconds: (performance.now() - started) / 1000 };
    });
  once(0);
  const second = once(1);
  optimizer.dispose();
  return { ...second, peak_bytes: device === "cpu" ? process.resourceUsage().maxRSS * 1024 : null };
}
