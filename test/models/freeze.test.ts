import { describe, expect, it } from "vitest";
import { CSRM } from "../../src/models/csrm.ts";
import { type FreezeOptions, freeze } from "../../src/models/freeze.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { randn, scope } from "../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, type Module } from "../../src/torch/nn/index.ts";

function build(name: string, options: FreezeOptions): CSRM {
  const model = new CSRM({ backbone: createBackbone(name), classes: 2, headChannels: 8, decoderStride: 8 });
  freeze(model, options);
  return model;
}

/** Names of the backbone's children (of features, for MobileNetV2) with a trainable parameter. */
function trainable({ backbone }: CSRM): string[] {
  const names = [...backbone.namedParameters()].filter(([, each]) => each.requiresGrad).map(([name]) => name);
  return [...new Set(names.map((name) => name.match(/^(features\.\d+|[a-z]+\d)/)![1]!))];
}

const norms = (module: Module) => [...module.namedModules().values()].filter((each) => each instanceof BatchNorm2d);

describe("freeze", () => {
  it("freezes stem and stages from the first on, and nothing outside of the backbone", () => {
    expect(trainable(build("resnet18", {}))).toEqual(["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]);
    expect(trainable(build("resnet18", { stem: true }))).toEqual(["layer1", "layer2", "layer3", "layer4"]);
    expect(trainable(build("resnet18", { stages: 3 }))).toEqual(["layer4"]);
    expect(trainable(build("resnet18", { stages: 4 }))).toEqual([]);
    expect(trainable(build("mobilenet_v2", { stages: 3 }))).toEqual(
      ["14", "15", "16", "17", "18"].map((index) => `features.${index}`),
    );
    const { aspp, decoder, classifier } = build("resnet18", { stages: 4, batchNorm: true });
    expect([aspp, decoder, classifier].flatMap((each) => each.parameters()).every((each) => each.requiresGrad)).toBe(
      true,
    );
  });

  it("keeps frozen batch normalisation at its running statistics while training, and updates the others", () => {
    const model = build("mobilenet_v2", { stem: true });
    scope(() => model.train().forward(randn([2, 3, 32, 32])));
    const counts = norms(model.backbone).map((each) => (each as BatchNorm2d).num_batches_tracked.item());
    expect(counts[0]).toBe(0);
    expect(new Set(counts.slice(1))).toEqual(new Set([1]));
  });

  it("of all batch normalisation leaves the convolutions trainable", () => {
    const model = build("resnet18", { batchNorm: true });
    expect(norms(model.backbone).every((each) => (each as BatchNorm2d).frozen)).toBe(true);
    scope(() =>
      model
        .train()
        .forward(randn([1, 3, 32, 32]))
        .logits.sum()
        .backward(),
    );
    for (const each of model.backbone.namedModules().values()) {
      if (each instanceof Conv2d) expect(each.weight.grad).not.toBeNull();
      if (each instanceof BatchNorm2d) expect([each.weight.grad, each.bias.grad]).toEqual([null, null]);
    }
  });

  it("refuses a number of stages that there is not", () => {
    expect(() => build("resnet18", { stages: 5 })).toThrow(/0\.\.4.*stages/);
  });
});

describe("MobileNetV2's padding", () => {
  it("differs from the symmetric one at strided convolutions only", () => {
    const paddings = (padding: "symmetric" | "tf_same") =>
      [...createBackbone("mobilenet_v2", { outputStride: 8, padding }).namedModules().values()]
        .filter((each) => each instanceof Conv2d)
        .map((each) => ({ stride: each.stride, padding: each.padding, dilation: each.dilation, kernel: each.kernel }));
    const [symmetric, same] = [paddings("symmetric"), paddings("tf_same")];
    for (const [index, each] of same.entries()) {
      expect(each).toEqual(each.stride === 2 ? { ...symmetric[index], padding: "tf_same" } : symmetric[index]);
    }
    expect(same.filter((each) => each.stride === 2)).toHaveLength(3);
    expect(symmetric.every(({ padding, dilation, kernel }) => padding === (dilation * (kernel - 1)) / 2)).toBe(true);
  });
});
