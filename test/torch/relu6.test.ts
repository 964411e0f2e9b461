import { describe, expect, it } from "vitest";
import { F, grad, gradcheck, randn, type Tensor, tensor } from "../../src/torch/index.ts";

const values = [
  -Number.MAX_VALUE,
  -7,
  -0.5,
  -0,
  0,
  1e-30,
  0.5,
  5.96875,
  6,
  6.03125,
  9,
  Number.POSITIVE_INFINITY,
  Number.NaN,
];
const wanted = [0, 0, 0, 0, 0, 1e-30, 0.5, 5.96875, 6, 6, 6, 6, Number.NaN];
const slopes = [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0];

describe.each(["float32", "bfloat16"] as const)("relu6 in %s", (dtype) => {
  it("clamps to 0..6 and keeps NaN", () => {
    const got = F.relu6(tensor(values, { dtype })).toArray();
    for (const [i, want] of wanted.entries()) {
      if (Number.isNaN(want)) expect(got[i]).toBeNaN();
      else expect(Math.abs(got[i]! - want)).toBeLessThanOrEqual(want * 0.004);
    }
  });

  it("passes the gradient strictly inside", () => {
    const x = tensor(values.slice(0, -1), { dtype }).requiresGrad_();
    F.relu6(x).float().sum().backward();
    expect(x.grad!.toArray()).toEqual(slopes);
  });

  it("gives the same gradient in every memory layout", () => {
    const x = randn([2, 3, 4, 5]).mul(5).to(dtype);
    const upstream = randn([2, 3, 4, 5]).to(dtype);
    const gradient = (layout: (t: Tensor) => Tensor, upstreamLayout: (t: Tensor) => Tensor) => {
      const leaf = layout(x).detach().requiresGrad_();
      F.relu6(leaf).backward(upstreamLayout(upstream));
      return leaf.grad!.toArray();
    };
    const rows = (t: Tensor) => t;
    const last = (t: Tensor) => t.contiguous("channels_last");
    const holes = (t: Tensor) => t.repeat([1, 1, 1, 2]).slice(3, 0, 5);
    const want = gradient(rows, rows);
    for (const [a, b] of [
      [last, last],
      [last, rows],
      [rows, holes],
      [holes, last],
    ] as const) {
      expect(gradient(a, b)).toEqual(want);
    }
  });
});

it("relu6 has the right numeric gradient in float64, where it is composed of other operators", () => {
  gradcheck((x) => F.relu6(x), [tensor([-1, 0.5, 3, 5.5, 7], { dtype: "float64" })]);
});

it("relu6 has a second derivative", () => {
  const x = tensor([1, 2, 7]).requiresGrad_();
  const [first] = grad([F.relu6(x).pow(3).sum()], [x], { createGraph: true });
  expect(first!.toArray()).toEqual([3, 12, 0]);
  expect(grad([first!.sum()], [x])[0]!.toArray()).toEqual([6, 12, 0]);
});
