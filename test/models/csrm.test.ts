import { describe, expect, it } from "vitest";
import { CSRM, type CSRMOutput } from "../../src/models/csrm.ts";
import { freeze } from "../../src/models/freeze.ts";
import { type ParameterGroups, parameterGroups } from "../../src/models/parameter-groups.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { F, liveTensors, noGrad, scope, type Tensor, zeros } from "../../src/torch/index.ts";
import { Dropout, withoutInit } from "../../src/torch/nn/index.ts";
import { fillGradient, fillInput, fillModule } from "../helpers/fill.ts";
import { expectGolden, type Golden, readGolden } from "../helpers/golden.ts";

interface File {
  cases: Record<
    string,
    {
      arch: string;
      num_classes: number;
      input: string;
      input_shape: [number, number, number, number];
      n_state_entries: number;
      n_params: number;
      outputs: Record<string, Golden>;
      loss: number;
      groups: { n_tensors: number; n_values: number; grad_norm: number }[];
      total_grad_norm: number;
      no_grad_examples: string[];
      n_without_grad: number;
      grads: Record<string, Golden>;
    }
  >;
  state_keys_tail: Record<string, Record<string, number[]>>;
  parameter_groups: Record<
    string,
    {
      n_state_entries: number;
      n_params: number;
      n_trainable: number;
      tensors_per_group: number[];
      values_per_group: number[];
      first_names: string[][];
    }
  >;
}

const golden = readGolden<File>("03-csrm");

/** The golden file's names of the outputs. */
function named(output: CSRMOutput, size: [number, number]): Record<string, Tensor> {
  const { logits, cam, seg, rep } = output;
  const large = F.interpolate(seg!, { size, mode: "bilinear", alignCorners: true });
  return { logits_c: logits, features_c: cam!, masks_seg: seg!, masks_seg_large: large, rep: rep! };
}

function build(arch: string, classes: number): CSRM {
  return withoutInit(() => new CSRM({ backbone: createBackbone(arch), classes }));
}

function inOrder(groups: ParameterGroups): Map<string, Tensor>[] {
  return [groups.pretrainedWeights, groups.pretrainedBiases, groups.scratchWeights, groups.scratchBiases];
}

const sum = (tensors: Iterable<Tensor>) => [...tensors].reduce((total, each) => total + each.numel, 0);

describe.each(Object.entries(golden.cases))("CSRM network %s", (key, sample) => {
  const [, , height, width] = sample.input_shape;

  it("has the reference's outputs, loss, gradients and groups", () => {
    const model = build(sample.arch, sample.num_classes);
    fillModule(model);
    freeze(model, { stem: true, batchNorm: true });
    model.train();
    model.apply((each) => {
      if (each instanceof Dropout) each.eval();
    });
    expect(model.stateDict().size).toBe(sample.n_state_entries);
    expect(sum(model.parameters())).toBe(sample.n_params);

    const run = (dtype: "float32" | "float64") =>
      named(model.forward(fillInput(sample.input, sample.input_shape).to(dtype)), [height, width]);
    const before = liveTensors();
    scope(() => {
      for (const [name, tensor] of Object.entries(noGrad(() => run("float32")))) {
        expectGolden(tensor, sample.outputs[name]!, { tolerance: 1e-5, name });
      }
    });

    // In float64, as the reference: in float32 a value near a ReLU's kink may fall on the other side and move gradients.
    model.to({ dtype: "float64" });
    scope(() => {
      const outputs = run("float64");
      const loss = Object.entries(outputs)
        .map(([name, tensor]) => {
          expectGolden(tensor, sample.outputs[name]!, { tolerance: 1e-7, name });
          return tensor.mul(fillGradient(`grad:${key}.${name}`, tensor.shape)).sum();
        })
        .reduce((total, term) => total.add(term));
      expect(loss.item()).toBeCloseTo(sample.loss, 4);
      loss.backward();
    });

    const parameters = model.namedParameters();
    scope(() => {
      for (const [name, each] of Object.entries(sample.grads)) {
        expectGolden(parameters.get(name)!.grad!, each, { tolerance: 1e-7, name });
      }
      const groups = inOrder(parameterGroups(model));
      for (const [index, group] of groups.entries()) {
        const { n_tensors, n_values, grad_norm } = sample.groups[index]!;
        expect([group.size, sum(group.values())]).toEqual([n_tensors, n_values]);
        const norm = Math.hypot(...[...group.values()].map((each) => each.grad!.norm().item()));
        expect(Math.abs(norm / grad_norm - 1), `norm of group ${index}`).toBeLessThan(1e-7);
      }
      const without = [...parameters].filter(([, each]) => each.grad === null).map(([name]) => name);
      expect(without).toHaveLength(sample.n_without_grad);
      for (const name of sample.no_grad_examples) expect(without).toContain(name);
    });
    expect(liveTensors()).toBe(before);
    model.dispose();
  });

  it("has the reference's names and shapes after the backbone's", () => {
    const model = build(sample.arch, sample.num_classes);
    const entries = [...model.stateDict()].map(([name, each]) => [name, each.shape] as const);
    const tail = entries.filter(([name]) => !name.startsWith("backbone."));
    expect(Object.fromEntries(tail)).toEqual(golden.state_keys_tail[key]);
    expect(tail.map(([name]) => name)).toEqual(Object.keys(golden.state_keys_tail[key]!));
    expect(entries.slice(-tail.length)).toEqual(tail);
    model.dispose();
  });
});

describe("parameter groups", () => {
  const settings = {
    voc_rs101: { arch: "resnest101", classes: 20, frozen: { stem: true, batchNorm: true } },
    voc_rs50: { arch: "resnest50", classes: 20, frozen: { stem: true, batchNorm: true } },
    coco_rs269_last_stage_only: { arch: "resnest269", classes: 80, frozen: { stages: 3, batchNorm: true } },
  };
  it.each(Object.entries(settings))("%s are the reference's", (key, { arch, classes, frozen }) => {
    const expected = golden.parameter_groups[key]!;
    const model = build(arch, classes);
    freeze(model, frozen);
    const groups = inOrder(parameterGroups(model));
    expect(model.stateDict().size).toBe(expected.n_state_entries);
    expect(sum(model.parameters())).toBe(expected.n_params);
    expect(sum(groups.flatMap((group) => [...group.values()]))).toBe(expected.n_trainable);
    expect(groups.map((group) => group.size)).toEqual(expected.tensors_per_group);
    expect(groups.map((group) => sum(group.values()))).toEqual(expected.values_per_group);
    for (const [index, names] of expected.first_names.entries()) {
      const found = [...groups[index]!.keys()].slice(0, names.length);
      expect(found).toEqual(names.map((name) => (name.startsWith("aspp") ? `aspp.${name}` : name)));
    }
    model.dispose();
  });

  it("take a start classifier's new head as scratch", () => {
    const model = build("resnet18", 3);
    const groups = parameterGroups(model, ["backbone."]);
    expect(groups.scratchWeights.has("classifier.weight")).toBe(true);
    expect([...groups.pretrainedWeights.keys()].every((name) => name.startsWith("backbone."))).toBe(true);
    expect(sum(inOrder(groups).flatMap((group) => [...group.values()]))).toBe(sum(model.parameters()));
    model.dispose();
  });
});

describe("CSRM outputs", () => {
  it("are only those asked for, with the same logits in every case", () => {
    const model = build("mobilenet_v2", 3).eval();
    fillModule(model);
    scope(() =>
      noGrad(() => {
        const x = fillInput("input:options", [1, 3, 33, 48]);
        const full = model.forward(x);
        expect(Object.keys(full).sort()).toEqual(["cam", "logits", "rep", "seg"]);
        const few = model.forward(x, { cam: false, seg: false, rep: false });
        expect(Object.keys(few)).toEqual(["logits"]);
        for (const [i, value] of few.logits.toArray().entries())
          expect(value).toBeCloseTo(full.logits.toArray()[i]!, 5);
        const seg = model.forward(x, { rep: false });
        expect(seg.rep).toBeUndefined();
        expect(seg.seg!.toArray()).toEqual(full.seg!.toArray());
        expect(model.forward(x, { seg: false }).rep!.toArray()).toEqual(full.rep!.toArray());
      }),
    );
    model.dispose();
  });

  it("are all that is left alive of a forward pass, with or without gradients", () => {
    for (const name of ["mobilenet_v2", "resnet18", "resnest50"]) {
      const model = build(name, 3);
      const x = zeros([2, 3, 33, 33]);
      for (const run of [() => model.forward(x), () => noGrad(() => model.forward(x))]) {
        const before = liveTensors();
        const outputs = Object.values(run());
        expect(liveTensors() - before).toBe(4);
        for (const each of outputs) each.dispose();
      }
      model.dispose();
    }
  });

  it.each([
    [4, [9, 12]],
    [8, [5, 6]],
  ] as const)("of a decoder at stride %i have that stride and the chosen width", (decoderStride, size) => {
    const model = withoutInit(
      () => new CSRM({ backbone: createBackbone("mobilenet_v2"), classes: 3, headChannels: 32, decoderStride }),
    );
    const { logits, cam, seg, rep } = scope(() => noGrad(() => model.forward(zeros([2, 3, 33, 48]))));
    expect(logits.shape).toEqual([2, 3]);
    expect(cam!.shape).toEqual([2, 3, 3, 3]);
    expect(seg!.shape).toEqual([2, 4, ...size]);
    expect(rep!.shape).toEqual([2, 32, ...size]);
    model.dispose();
  });

  it("need sensible sizes", () => {
    const backbone = withoutInit(() => createBackbone("mobilenet_v2"));
    expect(() => new CSRM({ backbone, classes: 0 })).toThrow(/at least 1.*classes/);
    expect(() => new CSRM({ backbone, classes: 2, headChannels: 30 })).toThrow(/multiple of 4/);
    expect(() => new CSRM({ backbone, classes: 2, decoderStride: 16 as 8 })).toThrow(/4 or 8/);
  });
});
