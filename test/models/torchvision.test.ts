import { describe, expect, it } from "vitest";
import { MobileNetV2 } from "../../src/models/mobilenet.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import { withoutInit } from "../../src/torch/nn/index.ts";
import { fillInput, fillModule } from "../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

interface Nets {
  nets: Record<
    string,
    {
      input: string;
      input_shape: number[];
      n_state_entries: number;
      n_params: number;
      outputs: Record<string, Golden>;
    }
  >;
}

const golden = readGolden<Nets>("02-torchvision");

describe("backbones with torchvision's layout", () => {
  it.each(Object.entries(golden.nets))("%s has torchvision's stage outputs and logits at stride 32", (name, net) => {
    const backbone = withoutInit(() => createBackbone(name, { outputStride: 32, classes: 1000 })).eval();
    fillModule(backbone);
    expect(backbone.stateDict().size).toBe(net.n_state_entries);
    expect(backbone.parameters().reduce((sum, each) => sum + each.numel, 0)).toBe(net.n_params);

    const outputs = scope(() =>
      noGrad(() => {
        const x = fillInput(net.input, net.input_shape);
        const stages = backbone.stages(x);
        const found: Record<string, Tensor> = { stem: backbone.stem(x), logits: backbone.classify(stages[3]!) };
        for (const [index, stage] of backbone.stageNames.entries()) found[stage] = stages[index]!;
        if (backbone instanceof MobileNetV2) {
          for (const [index, layer] of [...backbone.features].entries()) {
            found[`features.${index}`] = layer.forward(index === 0 ? x : found[`features.${index - 1}`]!);
          }
        }
        return found;
      }),
    );
    for (const [key, each] of Object.entries(net.outputs)) {
      expectGolden(outputs[key]!, each, { tolerance: 1e-5, name: key });
    }
    backbone.dispose();
  });
});
