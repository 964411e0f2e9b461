import { describe, expect, it } from "vitest";
import { recipeSchema } from "../../src/training/config.ts";
import { planSteps } from "../../src/training/plan.ts";

const plan = (tagged: number, schedule = {}) => planSteps(recipeSchema.parse({ schedule }), tagged);

describe("the number of steps", () => {
  it("is that of the epochs over whole batches of the labelled half", () => {
    expect(plan(10_582)).toEqual({ steps: 15 * 330, warmup: 330, perEpoch: 330 });
    expect(plan(5)).toEqual({ steps: 15, warmup: 1, perEpoch: 1 });
  });

  it("is what the recipe says where it says so, and the warm-up is never longer", () => {
    expect(plan(10_582, { steps: 690, warmup_steps: 46 })).toEqual({ steps: 690, warmup: 46, perEpoch: 330 });
    expect(plan(10_582, { steps: 100 })).toEqual({ steps: 100, warmup: 100, perEpoch: 330 });
  });
});
