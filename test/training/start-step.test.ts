/**
 * Whole steps of Puzzle-CAM and P-NOC (both networks, erasures, losses, weights over time, optimisers) against runs that
 * test/golden/make-starts.py writes out in PyTorch. The erased classes are drawn from a fill, everything is float64.
 */
import { describe, expect, it } from "vitest";
import { type DType, liveTensors, noGrad, scope, tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { prepare, startOptimizer } from "../../src/training/network.ts";
import { OrdinaryClassifier } from "../../src/training/ordinary-classifier.ts";
import { startStep } from "../../src/training/start-step.ts";
import { devices } from "../helpers/devices.ts";
import { fillModule } from "../helpers/fill.ts";
import { readGolden, recordDeviation } from "../helpers/golden.ts";
import { tinyClassifier } from "./tiny-csrm.ts";
import { difference, GivenDraws, pictures, type Samples, tagRows } from "./written-out.ts";

interface Step {
  losses: Record<string, number>;
  total: number;
  norm: number;
  model: Samples;
  ordinary?: Samples;
}

const golden = readGolden<{
  steps: number;
  batch: number;
  size: number;
  classes: number;
  tag_rows: number[][];
  cases: Record<string, { pretrain: Record<string, unknown>; steps: Step[] }>;
}>("starts");

function network(prefix: string, batch_norm: "train" | "frozen", device = "cpu", dtype: DType = "float64") {
  const model = tinyClassifier(golden.classes);
  fillModule(model, prefix);
  prepare(model, { batch_norm, freeze: "none" }, device);
  return model.to({ dtype });
}

const cases = devices.flatMap((device) =>
  Object.entries(golden.cases).map(([name, one]) => ({ device, name, ...one })),
);

describe.each(cases)("eight steps of $name on $device", ({ device, name, pretrain, steps }) => {
  it("move the networks as the written-out run does", () => {
    const recipe = recipeSchema.parse({ pretrain, device });
    const model = network("", "train", device);
    const second = recipe.pretrain.method === "pnoc" ? network("second.", "frozen", device) : null;
    const ordinary = second
      ? new OrdinaryClassifier({
          model: second,
          ...startOptimizer(second, recipe.pretrain),
          recipe,
          rng: new GivenDraws("erasure"),
        })
      : undefined;
    const learner = { model, ...startOptimizer(model, recipe.pretrain) };
    const worst = { losses: 0, model: 0, ordinary: 0 };
    const live: number[] = [];
    for (const [step, want] of steps.entries()) {
      scope(() => {
        const tags = tensor(tagRows(golden.tag_rows, step, golden.batch));
        const images = pictures(step, golden.batch, golden.size).images.to({ device });
        const progress = { step, steps: golden.steps };
        const chosen = ordinary?.draw(tags).to({ device });
        const given = { images, tags: tags.to({ device, dtype: "float64" }), chosen };
        const { losses, total, norm } = startStep({
          ...learner,
          ordinary,
          ...given,
          recipe,
          progress,
          precision: "fp32",
        });
        expect(Object.keys(losses).sort(), `losses of step ${step}`).toEqual(Object.keys(want.losses).sort());
        for (const [key, loss] of Object.entries(losses)) {
          worst.losses = Math.max(worst.losses, Math.abs(loss.item() - want.losses[key]!));
        }
        expect(total.item(), `total of step ${step}`).toBeCloseTo(want.total, 9);
        expect(norm!.item(), `norm of step ${step}`).toBeCloseTo(want.norm, 9);
        noGrad(() => {
          worst.model = Math.max(worst.model, difference(model.stateDict(), want.model));
          if (second) worst.ordinary = Math.max(worst.ordinary, difference(second.stateDict(), want.ordinary!));
        });
      });
      live.push(liveTensors());
    }
    if (device === "cpu") for (const [what, value] of Object.entries(worst)) recordDeviation(`${what}, ${name}`, value);
    expect(worst.losses).toBeLessThan(1e-9);
    expect(worst.model).toBeLessThan(1e-9);
    expect(worst.ordinary).toBeLessThan(1e-9);
    expect(live.at(-1), "tensors alive").toBe(live[1]);
    for (const each of [model, second, learner.optimizer, ordinary]) each?.dispose();
  });
});

describe.each(devices)("a step of P-NOC on %s", (device) => {
  it("is finite in half precision too, and leaves no tensor behind", () => {
    const recipe = recipeSchema.parse({ pretrain: { method: "pnoc" }, device });
    const [model, second] = [network("", "train", device, "float32"), network("second.", "frozen", device, "float32")];
    const ordinary = new OrdinaryClassifier({ model: second, ...startOptimizer(second, recipe.pretrain), recipe });
    const learner = { model, ...startOptimizer(model, recipe.pretrain) };
    for (const step of [0, 1]) {
      const before = liveTensors();
      const values = scope(() => {
        const tags = tensor(tagRows(golden.tag_rows, step, 2));
        const images = pictures(step, 2, golden.size).images.to({ device, dtype: "float32" });
        const given = { images, tags: tags.to({ device }), chosen: ordinary.draw(tags).to({ device }) };
        const progress = { step, steps: 2 };
        const { losses, total } = startStep({ ...learner, ordinary, ...given, recipe, progress, precision: "bf16" });
        return [...Object.values(losses), total].map((loss) => loss.item());
      });
      expect(values).toHaveLength(6);
      expect(values.every(Number.isFinite)).toBe(true);
      if (step > 0) expect(liveTensors()).toBe(before);
    }
    for (const each of [model, second, learner.optimizer, ordinary]) each.dispose();
  });
});

it("a step of P-NOC wants a second classifier", () => {
  scope(() => {
    const recipe = recipeSchema.parse({ pretrain: { method: "pnoc" } });
    const model = network("", "train");
    const { images } = pictures(0, 2, golden.size);
    const given = { images, tags: tensor(tagRows(golden.tag_rows, 0, 2), { dtype: "float64" }) };
    const input = { model, ...startOptimizer(model, recipe.pretrain), ...given, recipe, precision: "fp32" as const };
    expect(() => startStep({ ...input, progress: { step: 0, steps: 2 } })).toThrow(/expected a second classifier/);
  });
});

describe("the ordinary classifier", () => {
  const recipe = recipeSchema.parse({ pretrain: { method: "pnoc" } });
  const build = (seed = 0) => {
    const model = network("second.", "frozen");
    return new OrdinaryClassifier({ model, ...startOptimizer(model, recipe.pretrain), recipe: { ...recipe, seed } });
  };

  it("draws one of an image's tags, the same for the same seed, each now and then, none where there is none", () => {
    const tags = tensor([
      [0, 1, 0, 1, 1],
      [0, 0, 0, 0, 0],
      [-1, -1, -1, -1, -1],
      [1, 0, 0, 0, 0],
    ]);
    const draws = (seed: number) => {
      const one = build(seed);
      return Array.from({ length: 40 }, () => one.draw(tags).toArray());
    };
    const all = draws(0);
    expect(draws(0)).toEqual(all);
    expect(draws(1)).not.toEqual(all);
    const first = all.map((chosen) => chosen.slice(0, 5).indexOf(1));
    expect([...new Set(first)].sort()).toEqual([1, 3, 4]);
    for (const chosen of all) {
      expect(chosen.slice(0, 5).reduce((sum, each) => sum + each)).toBe(1);
      expect(chosen.slice(5, 15).every((each) => each === 0)).toBe(true);
      expect(chosen.slice(15)).toEqual([1, 0, 0, 0, 0]);
    }
  });

  it("gets no gradient in the generator's turn, and learns again in its own", () => {
    scope(() => {
      const ordinary = build();
      const generator = network("", "train");
      const { images } = pictures(0, 2, golden.size);
      const tags = tensor(tagRows(golden.tag_rows, 0, 2), { dtype: "float64" });
      const { cam } = generator.forward(images);
      const chosen = ordinary.draw(tags);
      const forward = <T>(body: () => T) => body();
      const { weighted } = ordinary.judge({ images, cam: cam!, chosen }, { tags, t: 0, forward });
      weighted.backward();
      for (const [name, parameter] of ordinary.model.namedParameters()) expect(parameter.grad, name).toBeNull();
      expect(generator.classifier.weight.grad!.abs().sum().item()).toBeGreaterThan(0);
      const before = ordinary.model.classifier.weight.detach().clone();
      const { descended } = ordinary.learn(
        { images, cam: cam!, chosen },
        { tags, t: 1, forward, clipNorm: null, factor: 1 },
      );
      expect(descended.norm!.item()).toBeGreaterThan(0);
      expect(ordinary.model.classifier.weight.sub(before).abs().max().item()).toBeGreaterThan(0);
    });
  });
});
