import { describe, expect, it } from "vitest";
import { F, manualSeed, randn, type Tensor } from "../../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, convNorm, type Padding, ReLU, Sequential } from "../../../src/torch/nn/index.ts";

interface Case {
  size: [number, number];
  kernel: number;
  stride: number;
  dilation: number;
}

/** TensorFlow's "SAME" by its definition: ceil(size/stride) outputs, half of the zeros (rounded down) in front. */
function sameReference(x: Tensor, weight: Tensor, { size, kernel, stride, dilation }: Case): number[] {
  const [channels, height, width] = [x.shape[1]!, ...size] as const;
  const extent = (kernel - 1) * dilation + 1;
  const outputs = size.map((n) => Math.ceil(n / stride));
  const before = size.map((n, d) => Math.floor(Math.max((outputs[d]! - 1) * stride + extent - n, 0) / 2));
  const image = x.toArray();
  const kernels = weight.toArray();
  const result: number[] = [];
  for (let o = 0; o < weight.shape[0]!; o++) {
    for (let oy = 0; oy < outputs[0]!; oy++) {
      for (let ox = 0; ox < outputs[1]!; ox++) {
        let sum = 0;
        for (let c = 0; c < channels; c++) {
          for (let ky = 0; ky < kernel; ky++) {
            for (let kx = 0; kx < kernel; kx++) {
              const y = oy * stride - before[0]! + ky * dilation;
              const u = ox * stride - before[1]! + kx * dilation;
              if (y < 0 || u < 0 || y >= height || u >= width) continue;
              sum += image[(c * height + y) * width + u]! * kernels[((o * channels + c) * kernel + ky) * kernel + kx]!;
            }
          }
        }
        result.push(sum);
      }
    }
  }
  return result;
}

function largestDifference(actual: Tensor, expected: readonly number[] | Tensor): number {
  const values = Array.isArray(expected) ? expected : (expected as Tensor).toArray();
  expect(actual.numel).toBe(values.length);
  return Math.max(...actual.toArray().map((value, index) => Math.abs(value - values[index]!)));
}

describe("Conv2d", () => {
  it.each<[Padding, number, number, number[]]>([
    [1, 2, 1, [2, 6, 4, 5]],
    [2, 1, 2, [2, 6, 7, 9]],
    [0, 1, 1, [2, 6, 5, 7]],
    ["tf_same", 2, 1, [2, 6, 4, 5]],
  ])("with padding %s, stride %i and dilation %i gives the right size", (padding, stride, dilation, shape) => {
    const conv = new Conv2d(4, 6, 3, { padding, stride, dilation, groups: 2 });
    expect(conv.weight.shape).toEqual([6, 2, 3, 3]);
    expect(conv.forward(randn([2, 4, 7, 9])).shape).toEqual(shape);
  });

  const cases: Case[] = [
    { size: [8, 8], kernel: 3, stride: 2, dilation: 1 },
    { size: [7, 8], kernel: 3, stride: 2, dilation: 1 },
    { size: [8, 5], kernel: 3, stride: 2, dilation: 1 },
    { size: [6, 9], kernel: 3, stride: 1, dilation: 2 },
    { size: [9, 7], kernel: 3, stride: 3, dilation: 2 },
    { size: [5, 6], kernel: 1, stride: 2, dilation: 1 },
    { size: [6, 6], kernel: 2, stride: 1, dilation: 1 },
  ];
  it.each(cases)("pads $size like TensorFlow at kernel $kernel, stride $stride, dilation $dilation", (sample) => {
    manualSeed(1);
    const conv = new Conv2d(2, 3, sample.kernel, { ...sample, padding: "tf_same", bias: false });
    const x = randn([1, 2, ...sample.size]);
    expect(largestDifference(conv.forward(x), sameReference(x, conv.weight, sample))).toBeLessThan(1e-5);
  });

  it.each([
    [8, 8, 2, 3],
    [7, 9, 2, 3],
    [5, 8, 3, 3],
    [3, 2, 4, 3],
    [9, 11, 2, 5],
  ])(
    "computes a dilated depthwise convolution of %i×%i, dilation %i, kernel %i like any other",
    (h, w, dilation, k) => {
      manualSeed(4);
      const padding = ((k - 1) / 2) * dilation;
      const conv = new Conv2d(6, 6, k, { padding, dilation, groups: 6 });
      const [x, same] = [0, 1].map(() => {
        manualSeed(5);
        return randn([2, 6, h, w]).requiresGrad_();
      }) as [Tensor, Tensor];
      const upstream = randn([2, 6, h, w]);
      conv.forward(x).backward(upstream);
      const gradient = conv.weight.grad!.clone();
      conv.weight.grad = null;
      const plain = F.conv2d(same, conv.weight, { bias: conv.bias, padding, dilation, groups: 6 });
      plain.backward(upstream);
      expect(largestDifference(conv.forward(x), plain)).toBeLessThan(1e-5);
      expect(largestDifference(x.grad!, same.grad!)).toBeLessThan(1e-5);
      expect(largestDifference(gradient, conv.weight.grad!)).toBeLessThan(1e-4);
    },
  );

  it("draws weights by the seed, within PyTorch's default bounds", () => {
    const draw = () => {
      manualSeed(7);
      return new Conv2d(8, 16, 3);
    };
    const [a, b] = [draw(), draw()];
    expect(a.weight.toArray()).toEqual(b.weight.toArray());
    const bound = 1 / Math.sqrt(8 * 9);
    const [weights, biases] = [a.weight.toArray(), a.bias!.toArray()];
    expect(Math.max(...weights.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.max(...weights)).toBeGreaterThan(0.95 * bound);
    expect(Math.max(...biases.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(new Set(biases).size).toBe(16);
  });
});

describe("convNorm", () => {
  function layers() {
    manualSeed(3);
    const conv = new Conv2d(3, 4, 3, { padding: 1, bias: false });
    const norm = new BatchNorm2d(4);
    norm.weight.requiresGrad_(false).copy_(randn([4]));
    norm.bias.requiresGrad_(false).copy_(randn([4]));
    norm.running_mean.copy_(randn([4]));
    norm.running_var.copy_(randn([4]).abs().add(0.5));
    norm.weight.requiresGrad_(true);
    norm.bias.requiresGrad_(true);
    return { conv, norm, x: randn([2, 3, 5, 6]).requiresGrad_() };
  }

  it("equals convolution and normalisation one after the other, also in its gradients", () => {
    const [folded, plain] = [layers(), layers()];
    for (const { norm } of [folded, plain]) norm.eval();
    const upstream = randn([2, 4, 5, 6]);
    const a = convNorm(folded.x, folded.conv, folded.norm);
    const b = plain.norm.forward(plain.conv.forward(plain.x));
    expect(largestDifference(a, b)).toBeLessThan(1e-5);
    a.backward(upstream);
    b.backward(upstream);
    const pairs = [
      [folded.x, plain.x],
      [folded.conv.weight, plain.conv.weight],
      [folded.norm.weight, plain.norm.weight],
      [folded.norm.bias, plain.norm.bias],
    ] as const;
    for (const [p, q] of pairs) expect(largestDifference(p.grad!, q.grad!)).toBeLessThan(2e-4);
  });

  it("adds and rectifies after either kind of normalisation, also in its gradients", () => {
    for (const mode of ["running", "frozen", "batch"] as const) {
      const [own, plain] = [layers(), layers()];
      for (const { norm } of [own, plain]) {
        if (mode === "running") norm.eval();
        if (mode === "frozen") norm.freeze();
      }
      const [more, same] = [0, 1].map(() => {
        manualSeed(4);
        return randn([2, 4, 5, 6]).requiresGrad_();
      }) as [Tensor, Tensor];
      const upstream = randn([2, 4, 5, 6]);
      const a = convNorm(own.x, own.conv, own.norm, { more, relu: true });
      const b = plain.norm.forward(plain.conv.forward(plain.x)).add(same).relu();
      expect(largestDifference(a, b), mode).toBeLessThan(1e-5);
      a.backward(upstream);
      b.backward(upstream);
      expect(largestDifference(more.grad!, same.grad!), mode).toBe(0);
      expect(largestDifference(own.x.grad!, plain.x.grad!), mode).toBeLessThan(1e-4);
      expect(largestDifference(own.conv.weight.grad!, plain.conv.weight.grad!), mode).toBeLessThan(2e-4);
    }
  });

  it("is what a chain makes of convolution, normalisation and ReLU, whole or in parts", () => {
    const { conv, norm, x } = layers();
    norm.eval();
    const chain = new Sequential(conv, norm, new ReLU(), new ReLU());
    const normed = norm.forward(conv.forward(x));
    expect(largestDifference(chain.forward(x), normed.relu())).toBeLessThan(1e-5);
    expect(largestDifference(chain.run(x, 0, 2), normed)).toBeLessThan(1e-5);
    expect(largestDifference(chain.run(chain.run(x, 0, 1), 1, 4), normed.relu())).toBeLessThan(1e-5);
  });

  it("uses the batch's statistics while training", () => {
    const { conv, norm, x } = layers();
    const means = convNorm(x, conv, norm).mean([0, 2, 3]);
    expect(largestDifference(means, norm.bias)).toBeLessThan(1e-5);
    expect(norm.num_batches_tracked.item()).toBe(1);
  });

  it("passes gradients through a frozen normalisation to the convolution only", () => {
    const { conv, norm, x } = layers();
    norm.freeze();
    convNorm(x, conv, norm).sum().backward();
    expect(conv.weight.grad).not.toBeNull();
    expect(norm.weight.grad).toBeNull();
    expect(norm.num_batches_tracked.item()).toBe(0);
  });
});
