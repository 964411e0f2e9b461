import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ones, type Tensor, tensor } from "../../../src/torch/index.ts";
import { AdamW, clipGradNorm, Optimizer, type ParameterGroup, SGD } from "../../../src/torch/optim/index.ts";

interface Run {
  name: string;
  kind: "SGD" | "AdamW";
  options: { momentum?: number; nesterov?: boolean; betas?: [number, number]; eps?: number };
  groups: [lr: number, weightDecay: number][];
  clip: number | null;
  start: number[][];
  steps: { gradients: (number[] | null)[]; norm: number; parameters: number[][] }[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/optim.json", import.meta.url), "utf8")) as {
  shapes: number[][];
  cases: Run[];
};

function start(run: Run): Tensor[] {
  return run.start.map((data, i) => tensor(Float64Array.from(data), { shape: golden.shapes[i]! }).requiresGrad_());
}

function optimizer(run: Run, parameters: Tensor[]): Optimizer {
  const groups: ParameterGroup[] = run.groups.map(([lr, weightDecay], i) => ({
    parameters: new Map([[`p${i}`, parameters[i]!]]),
    lr,
    weightDecay,
  }));
  return run.kind === "SGD" ? new SGD(groups, run.options) : new AdamW(groups, run.options);
}

/** One step on the golden gradients; returns the norm before clipping. */
function step(run: Run, n: number, parameters: Tensor[], by: Optimizer): number {
  parameters.forEach((p, i) => {
    const data = run.steps[n]!.gradients[i];
    p.grad = data ? tensor(Float64Array.from(data), { shape: golden.shapes[i]! }) : null;
  });
  const norm = clipGradNorm(parameters, run.clip)!.item();
  by.step();
  by.zeroGrad();
  return norm;
}

function worst(parameters: Tensor[], want: number[][]): number {
  return Math.max(...parameters.flatMap((p, i) => p.toArray().map((value, k) => Math.abs(value - want[i]![k]!))));
}

describe.each(golden.cases)("$kind, $name", (run) => {
  it("equals PyTorch step by step", () => {
    const parameters = start(run);
    const by = optimizer(run, parameters);
    for (const [n, { norm, parameters: want }] of run.steps.entries()) {
      expect(step(run, n, parameters, by)).toBeCloseTo(norm, 12);
      expect(worst(parameters, want)).toBeLessThan(1e-12);
    }
  });

  it("goes on exactly from a saved state", () => {
    const parameters = start(run);
    const first = optimizer(run, parameters);
    for (const n of [0, 1, 2]) step(run, n, parameters, first);
    const second = optimizer(run, parameters);
    second.loadStateDict(first.stateDict());
    for (const n of [3, 4]) step(run, n, parameters, second);
    expect(worst(parameters, run.steps[4]!.parameters)).toBeLessThan(1e-12);
  });
});

describe("optimisers", () => {
  it("refuse a parameter in two groups, state of strangers, and Nesterov without momentum", () => {
    const p = ones([1]).requiresGrad_();
    const group = { parameters: new Map([["p", p]]), lr: 1, weightDecay: 0 };
    expect(() => new SGD([group, group])).toThrow(/parameter p is in two groups/);
    expect(() => new SGD([group], { nesterov: true })).toThrow(/momentum above 0/);
    const sgd: Optimizer = new SGD([group], { momentum: 0.9 });
    expect(sgd).toBeInstanceOf(Optimizer);
    expect(() => sgd.loadStateDict(new Map([["q.momentum", ones([1])]]))).toThrow(
      /q\.momentum belongs to no parameter/,
    );
    expect(() => sgd.loadStateDict(new Map([["p.exp_avg", ones([1])]]))).toThrow(/only momentum/);
  });

  it("measure without clipping when no limit is given, and tell when nothing has a gradient", () => {
    const p = tensor([3, 4]).requiresGrad_();
    expect(clipGradNorm([p], 1)).toBeNull();
    p.mul(tensor([3, 4]))
      .sum()
      .backward();
    expect(clipGradNorm([p], null)!.item()).toBe(5);
    expect(p.grad!.toArray()).toEqual([3, 4]);
    clipGradNorm([p], 1);
    expect(Math.hypot(...p.grad!.toArray())).toBeCloseTo(1, 5);
  });
});
