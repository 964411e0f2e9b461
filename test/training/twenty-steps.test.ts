/**
 * Twenty whole training steps (networks, pseudo-labels, mixing, losses, optimiser, schedules, teacher) against a run that
 * test/golden/make-training.py writes out in PyTorch and NumPy. All draws are given, everything is float64.
 */
import { describe, expect, it, vi } from "vitest";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import { fromTypedArray, liveTensors, manualSeed, noGrad, scope, type Tensor, tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { csrmStep } from "../../src/training/csrm-step.ts";
import { createOptimizer, prepare } from "../../src/training/network.ts";
import { updateNetworks } from "../../src/training/update.ts";
import { fillArray, fillModule } from "../helpers/fill.ts";
import { readGolden, recordDeviation } from "../helpers/golden.ts";
import { tinyCsrm } from "./tiny-csrm.ts";
import { difference, GivenDraws, pictures, type Samples, tagRows } from "./written-out.ts";

interface Step {
  losses: Record<string, number>;
  norm: number;
  factor: number;
  decay: number;
  mixed: number;
  bank: number[];
  student: Samples;
  teacher: Samples;
}

const golden = readGolden<{
  steps: number;
  warmup: number;
  labelled: number;
  size: number;
  classes: number;
  head_channels: number;
  tag_rows: number[][];
  cases: Record<string, { recipe: Record<string, unknown>; steps: Step[] }>;
}>("training");

const dropouts = vi.hoisted(() => ({ calls: 0 }));

// Dropout keeps where a fill says so, numbered over the whole run, so that the reference can do the same.
vi.mock("../../src/torch/nn/dropout.ts", async () => {
  const { Module } = await import("../../src/torch/nn/module.ts");
  return {
    Dropout: class extends Module {
      readonly p: number;
      constructor(p: number) {
        super();
        this.p = p;
      }
      forward(x: Tensor): Tensor {
        if (!this.training) return x;
        const least = Math.fround(this.p);
        const keep = fillArray(`dropout:${dropouts.calls++}`, x.numel).map((u) => (u >= least ? 1 : 0));
        return scope(() => x.mul(fromTypedArray(keep, x.shape).to(x.dtype)).div(1 - this.p));
      }
    },
  };
});

function data(step: number, batch: number) {
  const { size, tag_rows, classes } = golden;
  const rows = tagRows(tag_rows, step, batch);
  if (step % 5 === 3) rows[batch - 1] = new Array<number>(classes).fill(-1);
  return { ...pictures(step, batch, size), tags: tensor(rows) };
}

describe.each(Object.entries(golden.cases))(
  "twenty steps with the settings of the %s",
  (name, { recipe: given, steps }) => {
    it("move student and teacher as the written-out run does", () => {
      const { labelled, classes, head_channels, warmup } = golden;
      const recipe = recipeSchema.parse(given);
      const build = () => {
        const network = tinyCsrm(classes, head_channels);
        fillModule(network);
        prepare(network, recipe.model, "cpu");
        return network.to({ dtype: "float64" });
      };
      const [student, teacher] = [build(), build()];
      for (const parameter of teacher.parameters()) parameter.requiresGrad_(false);
      const { optimizer, setFactor } = createOptimizer(student, recipe.optimizer);
      const { foreground, background } = recipe.contrast.bank;
      const bank = new MemoryBank({
        classes: classes + 1,
        channels: head_channels,
        foreground,
        background,
        dtype: "float64",
      });
      const rng = new GivenDraws("mixing");
      dropouts.calls = 0;
      const worst = { losses: 0, student: 0, teacher: 0 };
      const live: number[] = [];
      for (const [step, want] of steps.entries()) {
        scope(() => {
          manualSeed(1000 + step);
          const progress = { step, warmup, steps: golden.steps };
          const { losses, total, stats } = csrmStep({
            student,
            teacher,
            ...data(step, 4),
            labelled,
            bank,
            rng,
            recipe,
            progress,
            precision: "fp32",
          });
          const done = updateNetworks({ total, student, teacher, optimizer, setFactor, recipe, progress });
          expect(Object.keys(losses).sort(), `losses of step ${step}`).toEqual(Object.keys(want.losses).sort());
          for (const [key, loss] of Object.entries(losses)) {
            worst.losses = Math.max(worst.losses, Math.abs(loss.item() - want.losses[key]!));
          }
          expect(stats.mixed).toBe(want.mixed);
          expect(done.norm!.item(), `norm of step ${step}`).toBeCloseTo(want.norm, 9);
          expect(done.factor).toBeCloseTo(want.factor, 12);
          expect(done.decay).toBeCloseTo(want.decay, 12);
          expect(want.bank.map((_, c) => bank.size(c))).toEqual(want.bank);
          noGrad(() => {
            worst.student = Math.max(worst.student, difference(student.namedParameters(), want.student));
            worst.teacher = Math.max(worst.teacher, difference(teacher.namedParameters(), want.teacher));
          });
        });
        live.push(liveTensors());
      }
      for (const [what, value] of Object.entries(worst)) recordDeviation(`${what}, ${name}`, value);
      expect(worst.losses).toBeLessThan(1e-9);
      expect(worst.student).toBeLessThan(1e-9);
      expect(worst.teacher).toBeLessThan(1e-9);
      expect(live.at(-1), "tensors alive").toBe(live[warmup + 1]);
      for (const each of [student, teacher, optimizer, bank]) each.dispose();
    });
  },
);
