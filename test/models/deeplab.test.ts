/** The verification networks against the public implementations' outputs, in inference and as training sees them. */
import { describe, expect, it } from "vitest";
import { DeepLabV2 } from "../../src/models/deeplab-v2.ts";
import { DeepLabV3Plus } from "../../src/models/deeplab-v3plus.ts";
import { freeze } from "../../src/models/freeze.ts";
import { MultiScale } from "../../src/models/multi-scale.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { liveTensors, noGrad, scope, zeros } from "../../src/torch/index.ts";
import { Dropout, type Module, withoutInit } from "../../src/torch/nn/index.ts";
import { fillInput, fillModule } from "../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

interface Sizes {
  input: string;
  input_shape: number[];
  n_state_entries: number;
  n_params: number;
}

interface File {
  weight_prefix: string;
  deeplabv3plus: Record<
    string,
    Sizes & {
      arch: string;
      state_keys_tail: Record<string, number[]>;
      output: Golden;
      aspp: Golden;
      logits_stride4: Golden;
    }
  >;
  deeplabv2: {
    v2_rs101: Sizes & {
      key_prefix: string;
      scales: number[];
      first_keys: string[];
      aspp_keys: string[];
      example_keys: string[];
      single_scale_output: Golden;
      msc_eval_output: Golden;
      stages_single_scale: Record<string, Golden>;
      msc_train_list: ({ which: string } & Golden)[];
    };
  };
}

const golden = readGolden<File>("04-deeplab");

// What rounding in float32 explains: the reference itself moves by up to 1e-6 of the largest value when run in float32.
const tolerance = 1e-5;

function expectSizes(model: Module, { n_state_entries, n_params }: Sizes): void {
  expect(model.stateDict().size).toBe(n_state_entries);
  expect(model.parameters().reduce((sum, each) => sum + each.numel, 0)).toBe(n_params);
}

describe("DeepLabV3+", () => {
  it.each(Object.entries(golden.deeplabv3plus))("%s has the reference's names, sizes and outputs", (_, sample) => {
    const model = withoutInit(() => new DeepLabV3Plus({ backbone: createBackbone(sample.arch), classes: 21 })).eval();
    fillModule(model, golden.weight_prefix);
    expectSizes(model, sample);
    const tail = [...model.stateDict()].filter(([key]) => !key.startsWith("backbone."));
    expect(Object.fromEntries(tail.map(([key, each]) => [key, each.shape]))).toEqual(sample.state_keys_tail);
    scope(() =>
      noGrad(() => {
        const x = fillInput(sample.input, sample.input_shape);
        expectGolden(model.forward(x), sample.output, { tolerance, name: "logits" });
        expectGolden(model.scores(x), sample.logits_stride4, { tolerance, name: "logits at stride 4" });
        expectGolden(model.aspp.forward(model.backbone.forward(x).high), sample.aspp, { tolerance, name: "ASPP" });
      }),
    );
    model.dispose();
  });

  it("drops half of the first decoder map and a tenth of the second, as its published training does", () => {
    const model = withoutInit(() => new DeepLabV3Plus({ backbone: createBackbone("resnet18"), classes: 3 }));
    const rates = [...model.namedModules()].flatMap(([name, each]) =>
      each instanceof Dropout ? [[name, each.p]] : [],
    );
    expect(rates).toEqual([
      ["aspp.dropout", 0.5],
      ["decoder.classifier.3", 0.5],
      ["decoder.classifier.7", 0.1],
    ]);
    model.dispose();
  });

  it("has 125,724,629 parameters on ResNeSt-269 with 21 classes", () => {
    const model = withoutInit(() => new DeepLabV3Plus({ backbone: createBackbone("resnest269"), classes: 21 }));
    expect(model.parameters().reduce((sum, each) => sum + each.numel, 0)).toBe(125_724_629);
    model.dispose();
  });

  it("learns in every part that is not frozen, and leaves no tensors behind", () => {
    const model = new DeepLabV3Plus({ backbone: createBackbone("resnet18"), classes: 3, headChannels: 16 });
    freeze(model, { stem: true, batchNorm: true });
    const x = fillInput("input:deeplab-learns", [2, 3, 33, 48]);
    const before = liveTensors();
    scope(() => {
      model.forward(x).pow(2).mean().backward();
      for (const each of model.parameters()) {
        if (each.requiresGrad) expect(each.grad!.abs().sum().item()).toBeGreaterThan(0);
        each.grad = null;
      }
    });
    expect(liveTensors()).toBe(before);
    model.dispose();
  });

  it("needs sensible sizes", () => {
    const backbone = withoutInit(() => createBackbone("mobilenet_v2"));
    expect(() => new DeepLabV3Plus({ backbone, classes: 1 })).toThrow(/at least 2.*classes/);
    expect(() => new DeepLabV3Plus({ backbone, classes: 2, headChannels: 30 })).toThrow(/multiple of 4/);
  });
});

describe("DeepLabV2", () => {
  const sample = golden.deeplabv2.v2_rs101;

  it("has the reference's names, sizes and outputs at every scale", () => {
    const model = withoutInit(() => new MultiScale(new DeepLabV2({ classes: 21 }), sample.scales)).eval();
    fillModule(model, golden.weight_prefix);
    expectSizes(model, sample);
    const keys = [...model.stateDict().keys()];
    expect(keys.slice(0, sample.first_keys.length)).toEqual(sample.first_keys);
    expect(keys.slice(-sample.aspp_keys.length)).toEqual(sample.aspp_keys);
    expect(keys).toEqual(expect.arrayContaining(sample.example_keys));
    scope(() =>
      noGrad(() => {
        const x = fillInput(sample.input, sample.input_shape);
        const { base } = model;
        const stages = base.stages(x);
        for (const [i, stage] of stages.entries()) {
          const name = `layer${i + 1}`;
          expectGolden(stage, sample.stages_single_scale[name]!, { tolerance, name });
        }
        expectGolden(base.aspp.forward(stages[4]!), sample.stages_single_scale.aspp!, { tolerance, name: "aspp" });
        expectGolden(base.forward(x), sample.single_scale_output, { tolerance, name: "one scale" });
        const { max, scales } = model.forward(x);
        expectGolden(max, sample.msc_eval_output, { tolerance, name: "the maximum" });
        const inTraining = [...scales, max];
        expect(inTraining).toHaveLength(sample.msc_train_list.length);
        for (const [i, each] of sample.msc_train_list.entries()) {
          expectGolden(inTraining[i]!, each, { tolerance, name: each.which });
        }
      }),
    );
    model.dispose();
  });

  it("starts its classifiers near zero, with biases of zero", () => {
    const model = new DeepLabV2({ classes: 3 });
    const { aspp } = model;
    const weights = scope(() => aspp.c2.weight.detach().toArray());
    expect(Math.sqrt(weights.reduce((sum, each) => sum + each ** 2, 0) / weights.length)).toBeCloseTo(0.01, 3);
    expect(aspp.c2.bias!.abs().sum().item()).toBe(0);
    expect(aspp.c2.bias!.requiresGrad).toBe(true);
    model.dispose();
  });

  it("leaves nothing alive of a forward pass but its results", () => {
    const model = withoutInit(() => new MultiScale(new DeepLabV2({ classes: 3 }))).eval();
    const x = zeros([1, 3, 65, 65]);
    const before = liveTensors();
    const { max, scales } = noGrad(() => model.forward(x));
    expect(liveTensors() - before).toBe(4);
    for (const each of [max, ...scales]) each.dispose();
    model.dispose();
  });

  it("needs sensible sizes", () => {
    expect(() => new DeepLabV2({ classes: 1 })).toThrow(/at least 2.*classes/);
    const base = withoutInit(() => new DeepLabV2({ classes: 2 }));
    expect(() => new MultiScale(base, [1.5])).toThrow(/factors in 0\.\.1.*scales/);
  });
});
