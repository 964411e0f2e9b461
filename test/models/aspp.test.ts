import { describe, expect, it } from "vitest";
import { ASPP, asppRates } from "../../src/models/aspp.ts";
import { F, scope, type Tensor } from "../../src/torch/index.ts";
import { fillGradient, fillInput, fillModule } from "../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

const sample = readGolden<{
  aspp_alone: {
    weight_prefix: string;
    in_channels: number;
    rates: number[];
    input: string;
    input_shape: number[];
    grad_out: string;
    state_keys: Record<string, number[]>;
    output: Golden;
    grad_input: Golden;
    grads: Record<string, Golden>;
  }[];
}>("04-deeplab").aspp_alone[0]!;

function build(): ASPP {
  const aspp = new ASPP({ inChannels: sample.in_channels, channels: 256, outputStride: 16 }).eval();
  fillModule(aspp, sample.weight_prefix);
  return aspp;
}

describe("ASPP", () => {
  it("has the reference's output, gradients, names and rates", () => {
    const aspp = build();
    const state = aspp.stateDict();
    expect(Object.fromEntries([...state].map(([key, each]) => [key, each.shape]))).toEqual(sample.state_keys);
    expect(asppRates(16)).toEqual(sample.rates);
    const x = fillInput(sample.input, sample.input_shape).requiresGrad_();
    const output = aspp.forward(x);
    expectGolden(output, sample.output, { tolerance: 1e-5, name: "output" });
    output.backward(fillGradient(sample.grad_out, output.shape));
    expectGolden(x.grad!, sample.grad_input, { tolerance: 1e-5, name: "gradient of the input" });
    for (const [key, each] of Object.entries(sample.grads)) {
      expectGolden(state.get(key)!.grad!, each, { tolerance: 2e-5, name: `gradient of ${key}` });
    }
    aspp.dispose();
  });

  it("computes only the centre tap where the rate exceeds the map, with the same result and gradients", () => {
    const aspp = build();
    const { atrous_conv: conv, bn } = aspp.aspp4;
    scope(() => {
      const x = fillInput("input:small-map", [2, sample.in_channels, 18, 9]);
      const short = aspp.aspp4.forward(x);
      const upstream = fillGradient("grad:small-map", short.shape);
      short.backward(upstream);
      const gradient = conv.weight.grad!.clone();
      conv.weight.grad = null;
      const full = F.relu(bn.forward(conv.forward(x)));
      full.backward(upstream);
      const largest = (difference: Tensor) => difference.detach().abs().max().item();
      expect(largest(short.sub(full))).toBeLessThan(1e-5);
      expect(largest(conv.weight.grad!.sub(gradient))).toBeLessThan(1e-4);
    });
    aspp.dispose();
  });

  it("scales its rates with the output stride", () => {
    expect(asppRates(8)).toEqual([1, 12, 24, 36]);
    expect(asppRates(32)).toEqual([1, 3, 6, 9]);
  });
});
