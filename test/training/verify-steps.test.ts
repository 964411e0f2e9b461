/** Steps of the verification trainings (losses, gradients, groups, schedule, optimiser) against test/golden/make-verify.py in PyTorch. */
import { describe, expect, it } from "vitest";
import { resizeNearestCentred } from "../../src/losses/functional.ts";
import { fromTypedArray, liveTensors, scope, type Tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { freezeAs } from "../../src/training/network.ts";
import { verifyOptimizer, verifyStep } from "../../src/training/verify-task.ts";
import { fillArray, fillModule } from "../helpers/fill.ts";
import { readGolden, recordDeviation } from "../helpers/golden.ts";
import { tinySegmenter } from "./tiny-segmenter.ts";

interface Step {
  losses: number[];
  norm: number;
  factor: number;
  /** Every fifth value of each. */
  parameters: Record<string, number[]>;
}

const golden = readGolden<{
  steps: number;
  batch: number;
  size: number;
  classes: number;
  width: number;
  nearest: { have: number; want: number; source: number[] }[];
  cases: Record<
    "deeplabv2" | "deeplabv3plus",
    { recipe: Record<string, unknown>; steps: Step[]; running_mean: number[] }
  >;
}>("verify");
const { batch, size, classes, width } = golden;

/** The same integer arithmetic as in the script. */
function labels(step: number): Tensor {
  const maps = new Uint8Array(batch * size * size);
  for (let i = 0; i < maps.length; i++) {
    const [x, y, b] = [i % size, Math.floor(i / size) % size, Math.floor(i / size / size)];
    const label = (Math.floor(x / 7) + Math.floor(y / 5) + b + step) % (classes + 1);
    maps[i] = label === classes ? 255 : label;
  }
  return fromTypedArray(maps, [batch, size, size]);
}

function images(step: number): Tensor {
  const values = fillArray(`image:${step}`, batch * 3 * size * size, 4, -2);
  return fromTypedArray(Float64Array.from(values), [batch, 3, size, size]);
}

describe.each(Object.keys(golden.cases) as (keyof typeof golden.cases)[])("%s", (name) => {
  it("learns step by step as PyTorch's does", () => {
    const { recipe: given, steps, running_mean } = golden.cases[name];
    const recipe = recipeSchema.parse({ precision: "fp32", verify: given });
    const { segmenter, runningMean } = tinySegmenter(name, { width, classes });
    fillModule(segmenter.model);
    freezeAs(segmenter, recipe.verify);
    segmenter.model.to({ dtype: "float64" }).train();
    const { optimizer, setFactor } = verifyOptimizer(segmenter, recipe);
    const worst = { losses: 0, norm: 0, parameters: 0 };
    const live: number[] = [];
    for (const [step, want] of steps.entries()) {
      scope(() => {
        const { losses, norm, stats } = verifyStep({
          ...{ segmenter, optimizer, setFactor, recipe },
          images: images(step),
          labels: labels(step),
          progress: { step, steps: golden.steps },
        });
        expect(Object.keys(losses)).toEqual(segmenter.outputs);
        for (const [i, loss] of Object.values(losses).entries()) {
          worst.losses = Math.max(worst.losses, Math.abs(loss.item() - want.losses[i]!));
        }
        worst.norm = Math.max(worst.norm, Math.abs(norm!.item() - want.norm));
        expect(stats!.lr).toBeCloseTo(recipe.verify.lr * want.factor, 14);
        for (const [key, tensor] of segmenter.model.namedParameters()) {
          const own = tensor
            .detach()
            .toArray()
            .filter((_, i) => i % 5 === 0);
          expect(own.length).toBe(want.parameters[key]!.length);
          worst.parameters = Math.max(worst.parameters, ...own.map((v, i) => Math.abs(v - want.parameters[key]![i]!)));
        }
      });
      live.push(liveTensors());
    }
    const means = runningMean.toArray().map((mean, c) => Math.abs(mean - running_mean[c]!));
    expect(Math.max(...means)).toBeLessThan(1e-12);
    for (const [what, value] of Object.entries(worst)) {
      recordDeviation(`${what}, ${name}`, value);
      expect(value, what).toBeLessThan(1e-10);
    }
    expect(live.at(-1), "tensors alive").toBe(live[1]);
    optimizer.dispose();
    segmenter.model.dispose();
  });
});

describe("resizeNearestCentred", () => {
  it.each(golden.nearest)("takes the pixels that Pillow takes from $have to $want", ({ have, want, source }) => {
    const row = fromTypedArray(
      Uint8Array.from({ length: have }, (_, i) => i % 251),
      [1, 1, have],
    );
    expect(resizeNearestCentred(row, [1, want]).toArray()).toEqual(source);
  });
});
