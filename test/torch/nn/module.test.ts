import { describe, expect, it } from "vitest";
import { CsrmError } from "../../../src/errors.ts";
import { liveTensors, ones, scope, type Tensor, tensor, zeros } from "../../../src/torch/index.ts";
import {
  BatchNorm2d,
  buffer,
  Conv2d,
  Dropout,
  Linear,
  Module,
  ModuleList,
  parameter,
  ReLU,
  Sequential,
  withoutInit,
} from "../../../src/torch/nn/index.ts";

class Sample extends Module {
  readonly head = new Linear(3, 2);
  readonly table = buffer(zeros([2]));
  readonly scale = parameter(ones([1]));
  readonly body = new Sequential(new Conv2d(1, 2, 3, { bias: false }), new BatchNorm2d(2), new ReLU());
  readonly absent: Module | null = null;
  readonly list = new ModuleList([new Linear(1, 1, { bias: false })]);
  forward(x: Tensor): Tensor {
    return x;
  }
}

const keys = [
  "scale",
  "table",
  "head.weight",
  "head.bias",
  "body.0.weight",
  "body.1.weight",
  "body.1.bias",
  "body.1.running_mean",
  "body.1.running_var",
  "body.1.num_batches_tracked",
  "list.0.weight",
];

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(CsrmError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("Module", () => {
  it("names parameters, then buffers, then children, in the order of declaration", () => {
    const model = new Sample();
    expect([...model.stateDict().keys()]).toEqual(keys);
    expect([...model.namedBuffers().keys()]).toEqual(keys.filter((key) => /table|running|tracked/.test(key)));
    expect(model.parameters().length + model.buffers().length).toBe(keys.length);
    expect([...model.namedModules().keys()]).toEqual([
      "",
      "head",
      "body",
      "body.0",
      "body.1",
      "body.2",
      "list",
      "list.0",
    ]);
  });

  it("trains its parameters but not its buffers, and counts batches in int64", () => {
    const model = new Sample();
    expect(model.parameters().every((each) => each.requiresGrad)).toBe(true);
    expect(model.buffers().some((each) => each.requiresGrad)).toBe(false);
    expect(model.stateDict().get("body.1.num_batches_tracked")!.dtype).toBe("int64");
  });

  it("keeps its tensors beyond the scope that it was made in, and nothing else", () => {
    const before = liveTensors();
    const model = scope(() => new Sample());
    expect(liveTensors() - before).toBe(keys.length);
    expect(model.stateDict().get("head.weight")!.shape).toEqual([2, 3]);
    model.dispose();
    expect(liveTensors()).toBe(before);
  });

  it("switches training mode throughout", () => {
    const model = new Sequential(new Dropout(0.5), new Sequential(new BatchNorm2d(1)));
    model.eval();
    expect([...model.namedModules().values()].map((each) => each.training)).toEqual([false, false, false, false]);
    model.train();
    expect([...model.namedModules().values()].every((each) => each.training)).toBe(true);
  });

  it("converts floating tensors in place and leaves counters alone", () => {
    const model = new Sample();
    const weight = model.head.weight;
    const value = weight.toArray()[0]!;
    model.to({ dtype: "float64", memoryFormat: "channels_last" });
    expect(weight.dtype).toBe("float64");
    expect(weight.requiresGrad).toBe(true);
    expect(weight.toArray()[0]).toBe(value);
    expect(model.stateDict().get("body.1.running_var")!.dtype).toBe("float64");
    expect(model.stateDict().get("body.1.num_batches_tracked")!.dtype).toBe("int64");
    expect(model.stateDict().get("body.0.weight")!.isChannelsLast).toBe(true);
  });
});

describe("loadStateDict", () => {
  it("copies values, whatever their dtype, and stays detached from the source", () => {
    const [a, b] = [new Sample(), new Sample()];
    a.to({ dtype: "float64" });
    b.copyFrom(a);
    expect(b.head.weight.toArray()).toEqual(a.head.weight.toArray().map(Math.fround));
    expect(b.head.weight.dtype).toBe("float32");
    expect(b.head.weight.requiresGrad).toBe(true);
  });

  it("lists missing, unexpected and misshapen keys in one error and copies nothing", () => {
    const model = new Sample();
    const before = model.scale.item();
    const source = new Map(model.stateDict());
    source.delete("table");
    source.set("scale", tensor([before + 1]));
    source.set("extra.weight", zeros([1]));
    source.set("head.bias", zeros([5]));
    const message = messageOf(() => model.loadStateDict(source));
    expect(message).toContain("1 key missing: table");
    expect(message).toContain("1 key unexpected: extra.weight");
    expect(message).toContain("head.bias (expected [2], got [5])");
    expect(model.scale.item()).toBe(before);
  });

  it("names the first ten keys and counts the rest", () => {
    const message = messageOf(() => new Sample().loadStateDict(new Map()));
    expect(message).toContain("11 keys missing: scale, table,");
    expect(message).toContain("and 1 more");
    expect(message).not.toContain("list.0.weight");
  });

  it("lets through what the patterns or non-strict loading allow, and reports it", () => {
    const model = new Sample();
    const source = new Map(model.stateDict());
    source.delete("body.1.num_batches_tracked");
    source.set("fc.bias", zeros([1]));
    const allowed = { allowMissing: [/num_batches_tracked$/], allowUnexpected: [/^fc\./] };
    const report = { missing: ["body.1.num_batches_tracked"], unexpected: ["fc.bias"] };
    expect(model.loadStateDict(source, allowed)).toEqual(report);
    expect(model.loadStateDict(source, { strict: false })).toEqual(report);
    expect(() => model.loadStateDict(source, { ...allowed, allowMissing: [] })).toThrow(/num_batches_tracked/);
  });

  it("rejects another shape even when not strict", () => {
    const source = new Map([["head.bias", zeros([5])]]);
    expect(() => new Sample().loadStateDict(source, { strict: false })).toThrow(/another shape/);
  });
});

describe("withoutInit", () => {
  it("leaves convolutions and linear layers at zero, within its function only", () => {
    const [conv, linear] = withoutInit(() => [new Conv2d(2, 2, 1), new Linear(2, 2)] as const);
    expect([...conv.parameters(), ...linear.parameters()].every((each) => each.norm().item() === 0)).toBe(true);
    expect(new Conv2d(2, 2, 1).weight.norm().item()).toBeGreaterThan(0);
  });
});
