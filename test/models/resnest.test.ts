import { afterAll, describe, expect, it } from "vitest";
import { createBackbone } from "../../src/models/registry.ts";
import { SplAtConv2d } from "../../src/models/splat.ts";
import { noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import { type Module, withoutInit } from "../../src/torch/nn/index.ts";
import { fillGradient, fillInput, fillModule } from "../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

interface Nets {
  weight_prefix: string;
  nets: Record<
    string,
    {
      arch: string;
      output_stride: 8 | 16;
      input: string;
      input_shape: number[];
      n_state_entries: number;
      n_params: number;
      stages: Golden[];
    }
  >;
  splat: {
    name: string;
    weight_prefix: string;
    in_channels: number;
    channels: number;
    stride: number;
    dilation: number;
    bn_mode: "eval" | "train";
    input: string;
    input_shape: number[];
    grad_out: string;
    state_keys: Record<string, number[]>;
    output: Golden;
    grad_input: Golden;
    grads: Record<string, Golden>;
    buffers_after?: Record<string, Golden>;
  }[];
}

const golden = readGolden<Nets>("01-resnest");

const loaded: Module[] = [];
afterAll(() => {
  for (const module of loaded) module.dispose();
});

describe("ResNeSt", () => {
  it.each(Object.entries(golden.nets))("%s has the reference's stage outputs, entries and parameters", (_, net) => {
    const backbone = withoutInit(() => createBackbone(net.arch, { outputStride: net.output_stride })).eval();
    fillModule(backbone, golden.weight_prefix);
    expect(backbone.stateDict().size).toBe(net.n_state_entries);
    expect(backbone.parameters().reduce((sum, each) => sum + each.numel, 0)).toBe(net.n_params);
    const stages = scope(() => noGrad(() => backbone.stages(fillInput(net.input, net.input_shape))));
    for (const [index, stage] of stages.entries()) {
      expectGolden(stage, net.stages[index]!, { tolerance: 1e-5, name: `stage ${index + 1}` });
    }
    expect(backbone.highChannels).toBe(stages[3]!.shape[1]);
    backbone.dispose();
  });
});

describe("SplAtConv2d", () => {
  it.each(golden.splat)("$name ($bn_mode, dilation $dilation) has the reference's output and gradients", (sample) => {
    const layer = new SplAtConv2d(sample.in_channels, sample.channels, sample);
    loaded.push(layer);
    fillModule(layer, sample.weight_prefix);
    const state = layer.stateDict();
    expect(Object.fromEntries([...state].map(([key, each]) => [key, each.shape]))).toEqual(sample.state_keys);
    layer.train(sample.bn_mode === "train");
    const x = fillInput(sample.input, sample.input_shape).requiresGrad_();
    const output = layer.forward(x);
    expectGolden(output, sample.output, { tolerance: 1e-5, name: "output" });
    output.backward(fillGradient(sample.grad_out, output.shape));
    expectGolden(x.grad!, sample.grad_input, { tolerance: 1e-5, name: "gradient of the input" });
    for (const [key, each] of Object.entries(sample.grads)) {
      // Before a normalisation by the batch, the gradient of a bias is zero but for rounding.
      const floor = sample.bn_mode === "train" && key === "fc1.bias" ? 1e-4 : 0;
      expectGolden(state.get(key)?.grad as Tensor, each, { tolerance: 1e-5, name: `gradient of ${key}`, floor });
    }
    for (const [key, each] of Object.entries(sample.buffers_after ?? {})) {
      expectGolden(state.get(key)!, each, { tolerance: 1e-6, name: key });
    }
  });
});
