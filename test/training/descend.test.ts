import { describe, expect, it } from "vitest";
import { noGrad, tensor } from "../../src/torch/index.ts";
import { Module, parameter } from "../../src/torch/nn/index.ts";
import { LossScaler, SGD } from "../../src/torch/optim/index.ts";
import { loadRecipe } from "../../src/training/config.ts";
import { descend } from "../../src/training/descend.ts";
import { lossScalerFor, precisionOf } from "../../src/training/network.ts";
import { describeOnDevices } from "../helpers/devices.ts";

class Pair extends Module {
  readonly weight = parameter(tensor([1, 2]));
  forward(): void {}
}

/**
 * [factor of the first weight in the loss, scale after the step, weights after the step]: torch.amp.GradScaler of PyTorch 2.13 with
 * init_scale 1024, growth_interval 3 around SGD with a rate of 1/8 on loss = factor·w₀ + w₁, with unscale_ before step.
 */
const pytorch: [number, number, [number, number]][] = [
  [1, 1024, [0.875, 1.875]],
  [1, 1024, [0.75, 1.75]],
  [1, 2048, [0.625, 1.625]],
  [1, 2048, [0.5, 1.5]],
  [Number.POSITIVE_INFINITY, 1024, [0.5, 1.5]],
  [1, 1024, [0.375, 1.375]],
  [1, 1024, [0.25, 1.25]],
  [Number.NaN, 512, [0.25, 1.25]],
  [1, 512, [0.125, 1.125]],
  [1, 512, [0, 1]],
  [1, 1024, [-0.125, 0.875]],
  [1, 1024, [-0.25, 0.75]],
  [1, 1024, [-0.375, 0.625]],
  [1, 2048, [-0.5, 0.5]],
  [Number.POSITIVE_INFINITY, 1024, [-0.5, 0.5]],
  [Number.POSITIVE_INFINITY, 512, [-0.5, 0.5]],
  [1, 512, [-0.625, 0.375]],
];

describeOnDevices("a step with a scaled loss on $device", ({ device }) => {
  const start = (momentum = 0) => {
    const network = new Pair().to({ device });
    const optimizer = new SGD([{ parameters: network.namedParameters(), lr: 0.125, weightDecay: 0 }], { momentum });
    const step = (factor: number, scaler: LossScaler | null, clipNorm: number | null = null) => {
      const total = network.weight.mul(tensor([factor, 1], { device })).sum();
      return descend({ total, network, optimizer, clipNorm, scaler });
    };
    return { network, step };
  };

  it("changes weights and scale as PyTorch's GradScaler does", () => {
    const { network, step } = start();
    const scaler = new LossScaler({ initial: 1024, interval: 3 });
    let skipped = 0;
    for (const [factor, scale, weights] of pytorch) {
      const { scaling, norm } = step(factor, scaler);
      if (!Number.isFinite(factor)) skipped++;
      expect(scaling).toEqual({ scale, skipped, now: !Number.isFinite(factor) });
      expect(network.weight.toArray()).toEqual(weights);
      expect(network.weight.grad).toBeNull();
      if (factor === 1) expect(norm!.item()).toBeCloseTo(Math.SQRT2, 6);
    }
  });

  it("clips by the unscaled norm, and is the step without a scale", () => {
    const [scaled, plain] = [start(0.5), start(0.5)];
    const scaler = new LossScaler();
    for (let i = 0; i < 3; i++) {
      scaled.step(3, scaler, 0.25);
      plain.step(3, null, 0.25);
      expect(scaled.network.weight.toArray()).toEqual(plain.network.weight.toArray());
    }
  });

  it("goes on from its state as if it had not stopped", () => {
    const [one, other] = [new LossScaler({ interval: 3 }), new LossScaler({ interval: 3 })];
    for (const finite of [true, false, true, true]) one.update(finite);
    other.restore(JSON.parse(JSON.stringify(one.state())));
    for (const scaler of [one, other]) scaler.update(true);
    expect(one.state()).toEqual({ scale: 65_536, good: 0, skipped: 1 });
    expect(other.state()).toEqual(one.state());
  });

  it("leaves scale and weights alone where the losses have no graph", () => {
    const { network } = start();
    const scaler = new LossScaler({ interval: 1 });
    const optimizer = new SGD([{ parameters: network.namedParameters(), lr: 1, weightDecay: 0 }]);
    const total = noGrad(() => network.weight.sum());
    expect(descend({ total, network, optimizer, clipNorm: 1, scaler })).toEqual({
      norm: null,
      scaling: { scale: 65_536, skipped: 0, now: false },
    });
    expect(network.weight.toArray()).toEqual([1, 2]);
  });
});

describe("precision fp16", () => {
  it("is for GPUs: on the CPU an error names what there is instead", () => {
    expect(() => loadRecipe("toy-tiny", { set: ["precision=fp16"] })).toThrow(
      /expected auto, fp32 or bf16 for precision on the CPU, got fp16/,
    );
  });

  it("alone has its losses scaled", () => {
    const recipe = (precision: string) => loadRecipe("toy-tiny", { set: [`precision=${precision}`, "device=cuda"] });
    expect(["fp32", "bf16", "fp16", "auto"].map((name) => precisionOf(recipe(name)))).toEqual([
      "fp32",
      "bf16",
      "fp16",
      "bf16",
    ]);
    expect(lossScalerFor(recipe("fp16"))!.scale).toBe(65_536);
    for (const name of ["fp32", "bf16", "auto"]) expect(lossScalerFor(recipe(name))).toBeNull();
  });
});
