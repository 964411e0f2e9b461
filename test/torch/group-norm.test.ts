import { describe, expect, it } from "vitest";
import { F, getThreads, grad, op, randn, setThreads, type Tensor } from "../../src/torch/index.ts";
import { GroupNorm, ReLU, Sequential } from "../../src/torch/nn/index.ts";

const groupNormRelu = op("csrm::group_norm_relu");

function distance(a: Tensor, b: Tensor): number {
  return a.double().sub(b.double()).abs().max().div(b.double().abs().max()).item();
}

/** A layer with a weight and a bias that say which channel is which. */
function layerOf(dtype: "float32" | "float64", channels = 6): GroupNorm {
  const layer = new GroupNorm(3, channels);
  layer.loadStateDict(
    new Map([
      ["weight", randn([channels])],
      ["bias", randn([channels])],
    ]),
  );
  return layer.to({ dtype });
}

/** libtorch's own operators. */
function plainly({ groups, weight, bias, eps }: GroupNorm, x: Tensor, relu: boolean): Tensor {
  const y = F.groupNorm(x, groups, { weight, bias, eps });
  return relu ? F.relu(y) : y;
}

describe.each([true, false])("group normalisation (with a ReLU: %s)", (relu) => {
  // One pixel, fewer than a run of the kernel, and several runs of which the last is short.
  it.each([
    [1, 1],
    [5, 7],
    [37, 41],
  ] as const)("is libtorch's, gradients included, on maps of %i × %i", (height, width) => {
    const layer = layerOf("float64");
    const x = randn([2, 6, height, width], { dtype: "float64" }).add(3).requiresGrad_();
    const outputs = [layer.forward(x, { relu }), plainly(layer, x, relu)] as const;
    expect(distance(...outputs)).toBeLessThan(1e-10);
    const upstream = randn(x.shape, { dtype: "float64" });
    const inputs = [x, layer.weight, layer.bias];
    const [own, wanted] = outputs.map((output) => grad([output.mul(upstream).sum()], inputs));
    for (const i of inputs.keys()) expect(distance(own![i]!, wanted![i]!)).toBeLessThan(1e-9);
  });

  it("is as near the exact result as libtorch's in float32, and rounds it once in bfloat16", () => {
    const layer = layerOf("float32");
    const exact = layerOf("float64").copyFrom(layer);
    const x = randn([2, 6, 64, 64]).mul(0.1).add(20);
    const wanted = plainly(exact, x.double(), relu);
    const error = (y: Tensor) => y.double().sub(wanted).abs().max().item();
    expect(error(layer.forward(x, { relu }))).toBeLessThan(2 * error(plainly(layer, x, relu)) + 1e-6);
    const half = randn([2, 6, 9, 9]).to("bfloat16");
    const rounded = layer.forward(half, { relu });
    expect(rounded.dtype).toBe("bfloat16");
    const own = plainly(exact, half.double(), relu).to("bfloat16").toArray();
    const differing = rounded.toArray().filter((value, i) => value !== own[i]).length;
    expect(differing / own.length).toBeLessThan(0.005);
  });

  it("has the same bits for any number of threads and any layout", () => {
    const layer = layerOf("float32");
    const x = randn([3, 6, 80, 90]);
    const before = getThreads();
    const once = (threads: number, layout: "contiguous" | "channels_last") => {
      setThreads(threads);
      const leaf = x.contiguous(layout).detach().requiresGrad_();
      const y = layer.forward(leaf, { relu });
      return [y, ...grad([y.mul(x).sum()], [leaf, layer.weight, layer.bias])].map((each) => each!.toArray());
    };
    try {
      const wanted = once(1, "channels_last");
      expect(once(2, "channels_last")).toEqual(wanted);
      expect(once(2, "contiguous")).toEqual(wanted);
    } finally {
      setThreads(before);
    }
  });

  it.each([true, false])("has libtorch's second derivatives, also where only the map learns (%s)", (learns) => {
    const layer = layerOf("float64");
    for (const parameter of layer.parameters()) parameter.requiresGrad_(learns);
    const x = randn([2, 6, 3, 4], { dtype: "float64" }).requiresGrad_();
    const v = randn(x.shape, { dtype: "float64" });
    const second = (y: Tensor) => {
      const [first] = grad([y.pow(3).sum()], [x], { createGraph: true });
      return grad([first!.mul(v).sum()], learns ? [x, layer.weight, layer.bias] : [x]);
    };
    const [own, wanted] = [second(layer.forward(x, { relu })), second(plainly(layer, x, relu))];
    for (const i of own.keys()) expect(distance(own[i]!, wanted[i]!)).toBeLessThan(1e-8);
  });
});

it("a group normalisation before a ReLU is run together with it", () => {
  const layer = layerOf("float32");
  const x = randn([1, 6, 4, 4]);
  const y = new Sequential(layer, new ReLU()).forward(x);
  expect(y.toArray()).toEqual(layer.forward(x, { relu: true }).toArray());
  expect(y.min().item()).toBe(0);
});

it("keeps NaN, and refuses what does not fit, saying what", () => {
  const layer = layerOf("float32");
  const x = randn([2, 6, 4, 4]);
  x.select(0, 1).mul_(Number.NaN);
  const y = layer.forward(x, { relu: true });
  expect(y.select(0, 0).isfinite().all().item()).toBe(1);
  expect(y.select(0, 1).isfinite().any().item()).toBe(0);
  const call = (groups: number, channels: number) => () =>
    groupNormRelu(x, groups, randn([channels]), randn([channels]), 1e-5, true);
  expect(call(4, 6)).toThrow(/divisor of 6 channels, got 4 groups/);
  expect(call(3, 5)).toThrow(/a weight and a bias a channel, got \[5\] and \[5\]/);
});
