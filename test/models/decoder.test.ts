import { describe, expect, it } from "vitest";
import { headConv } from "../../src/models/aspp.ts";
import { type Fused, fuse, LOW_CHANNELS, runHead } from "../../src/models/decoder.ts";
import { cat, F, getThreads, grad, gradcheck, op, randn, setThreads, type Tensor } from "../../src/torch/index.ts";
import { ReLU, Sequential } from "../../src/torch/nn/index.ts";

const upsampledTaps = op("csrm::upsampled_taps");

/** What the heads are defined to compute: one convolution of the upsampled and the low-level map on top of each other. */
function plainly(head: Sequential, aspp: Tensor, low: Tensor): Tensor {
  const size: [number, number] = [low.shape[2]!, low.shape[3]!];
  return head.forward(cat([F.interpolate(aspp, { size, mode: "bilinear", alignCorners: true }), low], 1));
}

function distance(a: Tensor, b: Tensor): number {
  return a.double().sub(b.double()).abs().max().div(b.double().abs().max()).item();
}

describe("a head on maps that were not upsampled", () => {
  const cases = [
    { small: [4, 4], large: [16, 16] },
    { small: [3, 5], large: [11, 18] },
    { small: [1, 1], large: [4, 3] },
    { small: [1, 4], large: [5, 15] },
    { small: [2, 3], large: [4, 3] },
  ] as const;
  it.each(cases)("is the head on upsampled ones, gradients included ($small to $large)", ({ small, large }) => {
    const head = new Sequential(headConv(4 + LOW_CHANNELS, 5, 3), new ReLU());
    head.to({ dtype: "float64", memoryFormat: "channels_last" });
    const aspp = randn([2, 4, ...small], { dtype: "float64" }).requiresGrad_();
    const low = randn([2, LOW_CHANNELS, ...large], { dtype: "float64" }).requiresGrad_();
    const fused = fuse(aspp, low);
    expect(fused).toHaveProperty("aspp");
    const outputs = [runHead(head, fused), plainly(head, aspp, low)] as const;
    expect(distance(...outputs)).toBeLessThan(1e-12);
    const upstream = randn(outputs[0].shape, { dtype: "float64" });
    const inputs = [aspp, low, ...head.parameters()];
    const [own, wanted] = outputs.map((output) => grad([output.mul(upstream).sum()], inputs));
    for (const i of inputs.keys()) expect(distance(own![i]!, wanted![i]!)).toBeLessThan(1e-12);
  });

  it("is within a step of bfloat16, as the head on upsampled maps is", () => {
    const head = new Sequential(headConv(32 + LOW_CHANNELS, 16, 3));
    const aspp = randn([2, 32, 6, 6]);
    const low = randn([2, LOW_CHANNELS, 24, 24]);
    const exact = plainly(head, aspp, low).double();
    const half = new Sequential(headConv(32 + LOW_CHANNELS, 16, 3)).copyFrom(head).to({ dtype: "bfloat16" });
    const error = (output: Tensor) => output.double().sub(exact).pow(2).mean().item();
    const halves = [aspp.to("bfloat16"), low.to("bfloat16")] as const;
    // A step is 2⁻⁸ of a value. Upsampling in bfloat16 first has 4 times the error with libtorch 1.13, and 0.8 times with 2.13, which interpolates
    // in float32; here the nine taps are rounded before they are added up.
    const step = exact.pow(2).mean().item() * 2 ** -16;
    expect(error(runHead(half, fuse(...halves)))).toBeLessThan(step);
    expect(error(plainly(half, ...halves))).toBeLessThan(5 * step);
  });

  it("goes the plain way where upsampling would not widen the map", () => {
    const fused: Fused = fuse(randn([1, 4, 6, 6]), randn([1, LOW_CHANNELS, 6, 6]));
    expect(fused).toHaveProperty("stacked");
  });
});

describe("the sum of upsampled taps", () => {
  it("has the right numeric gradients, and second ones", () => {
    const taps = randn([2, 18, 2, 3], { dtype: "float64" });
    const base = randn([2, 2, 5, 7], { dtype: "float64" });
    gradcheck((a, b) => upsampledTaps(a, b).pow(2), [taps, base]);
    const leaves = [taps.requiresGrad_(), base.requiresGrad_()] as const;
    const out = upsampledTaps(...leaves);
    const [first] = grad([out.pow(3).sum()], [taps], { createGraph: true });
    const v = randn(taps.shape, { dtype: "float64" });
    // The sum L is linear, so first = Lᵀ(3·out²), and the derivative of ⟨first, v⟩ by the base is 6·out·L(v).
    const [second] = grad([first!.mul(v).sum()], [base]);
    const wanted = out.mul(upsampledTaps(v, base.mul(0))).mul(6);
    expect(distance(second!, wanted)).toBeLessThan(1e-12);
  });

  it("has the same bits for any number of threads", () => {
    const taps = randn([3, 288, 10, 12]).requiresGrad_();
    const base = randn([3, 32, 40, 48]);
    const before = getThreads();
    const once = (threads: number) => {
      setThreads(threads);
      const out = upsampledTaps(taps, base);
      return [out, grad([out.mul(base).sum()], [taps])[0]!].map((x) => x.toArray());
    };
    try {
      expect(once(2)).toEqual(once(1));
    } finally {
      setThreads(before);
    }
  });

  it("refuses what does not fit, saying what", () => {
    expect(() => upsampledTaps(randn([1, 9, 2, 2]), randn([1, 2, 4, 4]))).toThrow(
      /9·C.*\[1, 9, 2, 2\].*\[1, 2, 4, 4\]/s,
    );
    const half = [randn([1, 9, 2, 2]).to("float16"), randn([1, 1, 4, 4]).to("float16")] as const;
    expect(() => upsampledTaps(...half)).toThrow(/float16|Half/);
  });
});
