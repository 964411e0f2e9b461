import { describe, expect, it } from "vitest";
import { manualSeed, ones, randn, type Tensor, tensor, zeros } from "../../../src/torch/index.ts";
import {
  AvgPool2d,
  BatchNorm2d,
  Dropout,
  GlobalAvgPool2d,
  GroupNorm,
  Identity,
  initialise,
  kaimingNormal,
  Linear,
  MaxPool2d,
  ModuleList,
  normalInit,
  ReLU,
  ReLU6,
  Sequential,
} from "../../../src/torch/nn/index.ts";

function numbers(x: Tensor, digits = 4): number[] {
  return x.toArray().map((value) => Number(value.toFixed(digits)) + 0);
}

describe("BatchNorm2d", () => {
  const x = () => tensor([[[[1, 2, 3, 4]]], [[[5, 6, 7, 8]]]]); // [2, 1, 1, 4], mean 4.5, variance 5.25

  it("normalises by the batch while training and moves the running statistics by the momentum", () => {
    const norm = new BatchNorm2d(1);
    const y = norm.forward(x());
    expect(numbers(y.mean())).toEqual([0]);
    expect(numbers(y)[0]).toBeCloseTo(-3.5 / Math.sqrt(5.25), 3);
    expect(norm.running_mean.item()).toBeCloseTo(0.45, 5);
    expect(norm.running_var.item()).toBeCloseTo(0.9 + 0.1 * 6, 5); // the unbiased variance, 6
    expect(norm.num_batches_tracked.item()).toBe(1);
  });

  it("normalises by running statistics in evaluation", () => {
    const norm = new BatchNorm2d(1).eval();
    norm.running_mean.fill_(2);
    norm.running_var.fill_(4);
    expect(numbers(norm.forward(x()), 3).slice(0, 4)).toEqual([-0.5, 0, 0.5, 1]);
    expect(norm.running_mean.item()).toBe(2);
  });

  it("once frozen keeps its statistics and its parameters also while training", () => {
    const norm = new BatchNorm2d(1);
    norm.freeze();
    norm.train();
    expect(numbers(norm.forward(x()), 3)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(norm.num_batches_tracked.item()).toBe(0);
    expect(norm.parameters().some((each) => each.requiresGrad)).toBe(false);
  });
});

describe("GroupNorm", () => {
  it("normalises each group of each sample, also on one pixel", () => {
    const norm = new GroupNorm(2, 4);
    expect(numbers(norm.forward(tensor([[[[1]], [[3]], [[10]], [[30]]]])), 2)).toEqual([-1, 1, -1, 1]);
  });

  it("refuses channels that do not divide", () => {
    expect(() => new GroupNorm(4, 6)).toThrow(/multiple of 4/);
  });
});

describe("mixed precision", () => {
  it("normalises groups of a bfloat16 map with float32 weights, giving bfloat16 and gradients to both", () => {
    const norm = new GroupNorm(2, 4);
    const x = randn([2, 4, 3, 3]).to("bfloat16").requiresGrad_();
    const y = norm.forward(x);
    expect(y.dtype).toBe("bfloat16");
    y.float()
      .mul(randn([2, 4, 3, 3]))
      .sum()
      .backward();
    expect([x.grad!.dtype, norm.weight.grad!.dtype]).toEqual(["bfloat16", "float32"]);
    expect(norm.weight.grad!.norm().item()).toBeGreaterThan(0);
  });
});

describe("small layers", () => {
  it("pools by maximum, by mean with and without padding, and over the whole map", () => {
    const x = tensor([
      [
        [
          [1, 2, 3],
          [4, 5, 6],
          [7, 8, 9],
        ],
      ],
    ]); // [1, 1, 3, 3]
    expect(numbers(new MaxPool2d(2).forward(x))).toEqual([5]);
    expect(numbers(new MaxPool2d(2, { ceilMode: true }).forward(x))).toEqual([5, 6, 8, 9]);
    expect(numbers(new AvgPool2d(3, { stride: 2, padding: 1 }).forward(x))[0]).toBeCloseTo(12 / 9, 3);
    expect(numbers(new AvgPool2d(2, { ceilMode: true, countIncludePad: false }).forward(x))).toEqual([3, 4.5, 7.5, 9]);
    expect(numbers(new GlobalAvgPool2d().forward(x))).toEqual([5]);
  });

  it("clips at zero, and at six", () => {
    expect(numbers(new ReLU().forward(tensor([-1, 0, 7])))).toEqual([0, 0, 7]);
    expect(numbers(new ReLU6().forward(tensor([-1, 3, 7])))).toEqual([0, 3, 6]);
  });

  it("clips at six in bfloat16 too, letting gradients pass strictly inside only", () => {
    const x = tensor([-2, -0.001, 0, 0.001, 3, 5.97, 6, 9], { dtype: "bfloat16" }).requiresGrad_();
    const y = new ReLU6().forward(x.mul(1));
    expect(y.dtype).toBe("bfloat16");
    expect(numbers(y.float(), 2)).toEqual([0, 0, 0, 0, 3, 5.97, 6, 6]);
    y.backward(tensor([1, 1, 1, 1, 2, 1, 1, 1], { dtype: "bfloat16" }));
    expect(x.grad!.toArray()).toEqual([0, 0, 0, 1, 2, 1, 0, 0]);
  });

  it("drops half of the values and doubles the rest, in training only", () => {
    manualSeed(5);
    const dropout = new Dropout(0.5);
    const x = ones([10_000]);
    const y = dropout.forward(x);
    expect(new Set(y.toArray())).toEqual(new Set([0, 2]));
    expect(y.mean().item()).toBeCloseTo(1, 1);
    expect(dropout.eval().forward(x)).toBe(x);
    expect(() => new Dropout(1.5)).toThrow(/0\.\.1/);
  });

  it("multiplies by a weight and adds a bias", () => {
    const linear = new Linear(2, 2);
    linear.loadStateDict(
      new Map([
        [
          "weight",
          tensor([
            [1, 2],
            [3, 4],
          ]),
        ],
        ["bias", tensor([10, 20])],
      ]),
    );
    expect(numbers(linear.forward(tensor([[1, 1]])))).toEqual([13, 27]);
  });
});

describe("containers", () => {
  it("apply layers in order, or a part of them", () => {
    const chain = new Sequential(new ReLU(), new Identity(), new MaxPool2d(2));
    expect(chain.forward(randn([1, 1, 4, 4])).shape).toEqual([1, 1, 2, 2]);
    expect(chain.run(randn([1, 1, 4, 4]), 0, 2).shape).toEqual([1, 1, 4, 4]);
    expect(chain.length).toBe(3);
    expect([...chain]).toHaveLength(3);
  });

  it("do not hide a wrong index or a list that is called", () => {
    const list = new ModuleList([new ReLU()]);
    expect(() => list.at(1)).toThrow(/no module 1/);
    expect(() => list.forward()).toThrow(/no forward/);
  });
});

describe("initialisers", () => {
  it("draw Kaiming-normal weights by fan-in or fan-out, ignoring groups in fan-out", () => {
    manualSeed(2);
    const weight = zeros([64, 32, 3, 3]);
    const deviation = () => Math.sqrt(weight.mul(weight).mean().item());
    initialise(weight, kaimingNormal("fan_in"));
    expect(deviation() / Math.sqrt(2 / (32 * 9))).toBeCloseTo(1, 1);
    initialise(weight, kaimingNormal("fan_out"));
    expect(deviation() / Math.sqrt(2 / (64 * 9))).toBeCloseTo(1, 1);
    initialise(weight, normalInit(0.01));
    expect(deviation() / 0.01).toBeCloseTo(1, 1);
  });
});
