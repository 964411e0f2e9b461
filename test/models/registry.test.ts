import { describe, expect, it } from "vitest";
import { strideStages } from "../../src/models/backbone.ts";
import { backboneInfo, backbones, createBackbone } from "../../src/models/registry.ts";
import { liveTensors, noGrad, scope, zeros } from "../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, Linear, withoutInit } from "../../src/torch/nn/index.ts";

describe("backbone registry", () => {
  it.each(backbones)("$name gives maps at its strides and frees everything", (info) => {
    const before = liveTensors();
    const heavy = info.name.endsWith("200") || info.name.endsWith("269");
    for (const outputStride of heavy ? ([16] as const) : info.outputStrides) {
      const backbone = withoutInit(() => createBackbone(info.name, { outputStride })).eval();
      const shapes = scope(() =>
        noGrad(() => {
          const x = zeros([1, 3, 61, 64]);
          const { low, high } = backbone.forward(x);
          return { low: low.shape, high: high.shape };
        }),
      );
      const size = (stride: number) => [Math.ceil(61 / stride), Math.ceil(64 / stride)];
      expect(shapes.low).toEqual([1, info.lowChannels, ...size(4)]);
      expect(shapes.high).toEqual([1, info.highChannels, ...size(outputStride)]);
      expect([backbone.lowChannels, backbone.highChannels]).toEqual([info.lowChannels, info.highChannels]);
      expect(backbone.outputStride).toBe(outputStride);
      backbone.dispose();
    }
    expect(liveTensors()).toBe(before);
  });

  it.each(backbones)("$name adds its classifier on request, under the prefix of its weight files", (info) => {
    const build = (classes: number) => withoutInit(() => createBackbone(info.name, { classes }));
    const [without, full] = [build(0), build(10)];
    const bare = without.stateDict();
    const extra = [...full.stateDict().keys()].filter((key) => !bare.has(key));
    expect(extra).toHaveLength(2);
    expect(extra.every((key) => key.startsWith(info.classifierPrefix))).toBe(true);
    scope(() => {
      const high = zeros([2, info.highChannels, 1, 1]);
      expect(full.eval().classify(high).shape).toEqual([2, 10]);
      expect(() => without.classify(high)).toThrow(/without its classifier/);
    });
    without.dispose();
    full.dispose();
  });

  it.each(backbones.filter((info) => !info.name.endsWith("200") && !info.name.endsWith("269")))(
    "$name has a state entry for each weight, bias and statistic of its layers, all in its stem and stages",
    (info) => {
      const backbone = withoutInit(() => createBackbone(info.name));
      const entries = [...backbone.namedModules().values()].reduce((sum, each) => {
        if (each instanceof BatchNorm2d) return sum + 5;
        if (each instanceof Conv2d || each instanceof Linear) return sum + (each.bias ? 2 : 1);
        return sum;
      }, 0);
      expect(backbone.stateDict().size).toBe(entries);
      const parts = [...backbone.stemLayers(), ...backbone.stageLayers().flat()];
      expect(new Set(parts.flatMap((part) => part.parameters()))).toEqual(new Set(backbone.parameters()));
      for (const name of backbone.stageNames) expect(backbone.namedModules().has(name), name).toBe(true);
      backbone.dispose();
    },
  );

  it("names the nearest backbone for a misspelt one", () => {
    expect(() => backboneInfo("mobilenetv2")).toThrow(/did you mean "mobilenet_v2"/);
  });

  it("refuses strides and paddings that a backbone does not have", () => {
    expect(() => createBackbone("resnest50", { outputStride: 32 })).toThrow(/8, 16.*resnest50.*32/);
    expect(() => createBackbone("resnet50", { padding: "tf_same" })).toThrow(/"symmetric".*resnet50/);
  });
});

describe("strideStages", () => {
  it("turns strides beyond the output stride into dilation, the first block keeping the one before", () => {
    const plan = (stride: 8 | 16 | 32) =>
      strideStages(3, 4, stride).map((each) => [each.stride, each.firstDilation, each.dilation]);
    expect(plan(32)).toEqual([
      [2, 1, 1],
      [2, 1, 1],
      [2, 1, 1],
    ]);
    expect(plan(16)).toEqual([
      [2, 1, 1],
      [2, 1, 1],
      [1, 1, 2],
    ]);
    expect(plan(8)).toEqual([
      [2, 1, 1],
      [1, 1, 2],
      [1, 2, 4],
    ]);
  });
});
