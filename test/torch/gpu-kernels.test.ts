/**
 * The kernels of native/cuda against the operators that they stand for, forward and backward, on every device: a CPU runs the same text,
 * one thread after the other.
 */
import { expect, it } from "vitest";
import { bilinearByProducts } from "../../src/torch/bilinear.ts";
import { autocast, type DType, F, grad, op, randn, scope, type Tensor } from "../../src/torch/index.ts";
import { describeOnDevices } from "../helpers/devices.ts";

const normAct = op("csrm::gpu_norm_act");
const attend = op("csrm::gpu_attend");
const groupNorm = op("csrm::gpu_group_norm");
const upsample = op("aten::upsample_bilinear2d.vec");

describeOnDevices("kernels between convolutions on $device", ({ device }) => {
  const maps = (shape: number[], dtype: DType) => randn(shape).to({ device, dtype, memoryFormat: "channels_last" });
  const values = (n: number) => randn([n]).to({ device });
  /** The operators compute in float64; float32 sums differ by rounding, bfloat16 keeps 8 bits, float16 11. */
  const tolerances = { float32: 1e-5, bfloat16: 1 / 100, float16: 1 / 800 } as const;
  const exact = (x: Tensor) => x.detach().to({ dtype: "float64", device: "cpu" });

  /** Runs both on copies of the inputs, backward from one random gradient, and compares results and gradients. */
  function same(dtype: keyof typeof tolerances, inputs: Tensor[], kernel: Body, operators: Body) {
    const copies = (to: (x: Tensor) => Tensor) => inputs.map((x) => to(x).detach().clone().requiresGrad_(true));
    const [own, theirs] = [copies((x) => x), copies(exact)];
    const [y, wanted] = [kernel(own), operators(theirs)];
    expect([y.dtype, y.shape]).toEqual([dtype, wanted.shape]);
    const dy = randn(wanted.shape).to({ dtype, device });
    y.mul(dy).sum().backward();
    wanted.mul(exact(dy)).sum().backward();
    near(y, wanted, dtype, "the result");
    for (const [i, x] of own.entries()) near(x.grad!, theirs[i]!.grad!, dtype, `the gradient of input ${i}`);
  }
  type Body = (inputs: Tensor[]) => Tensor;

  function near(got: Tensor, wanted: Tensor, dtype: keyof typeof tolerances, what: string) {
    const distance = scope(() => exact(got).sub(exact(wanted)).abs().max().item());
    expect(distance / Math.max(1, exact(wanted).abs().max().item()), what).toBeLessThan(tolerances[dtype]);
  }

  const types = Object.keys(tolerances) as (keyof typeof tolerances)[];

  it.each(types)("normalise, add and rectify in %s", (dtype) => {
    const [mean, weight, bias] = [values(12), values(12), values(12)];
    const variance = values(12).abs().add(0.1);
    for (const relu of [false, true]) {
      for (const added of [false, true]) {
        const shape = [2, 12, 5, 7];
        const inputs = [maps(shape, dtype), ...(added ? [maps(shape, dtype)] : [])];
        same(
          dtype,
          inputs,
          ([x, more]) => normAct(x!, more ?? null, mean, variance, weight, bias, 1e-5, relu),
          ([x, more]) => {
            const [m, v, w, b] = [mean, variance, weight, bias].map((value) => exact(value).reshape([1, 12, 1, 1]));
            const normed = x!.sub(m!).div(v!.add(1e-5).sqrt()).mul(w!).add(b!);
            const sum = more ? normed.add(more) : normed;
            return relu ? sum.relu() : sum;
          },
        );
      }
    }
  });

  it.each(types)("weigh the halves of split attention in %s", (dtype) => {
    same(
      dtype,
      [maps([3, 16, 9, 5], dtype), randn([3, 16]).to({ device, dtype })],
      ([x, shares]) => attend(x!, shares!),
      ([x, shares]) => {
        const weighed = x!.mul(shares!.reshape([3, 16, 1, 1]));
        return weighed.narrow(1, 0, 8).add(weighed.narrow(1, 8, 8));
      },
    );
  });

  it.each(types)("normalise groups in %s", (dtype) => {
    for (const relu of [false, true]) {
      // More pixels than one thread adds up, and a last stretch that is shorter.
      const x = maps([3, 48, 9, 11], dtype).mul(2).add(0.5);
      const parameters = [values(48), values(48)];
      const norm =
        (weight: Tensor, bias: Tensor) =>
        ([map]: Tensor[]) => {
          const y = F.groupNorm(map!, 4, { weight, bias });
          return relu ? y.relu() : y;
        };
      const [weight, bias] = parameters.map((value) => value.clone().requiresGrad_(true)) as [Tensor, Tensor];
      const [w, b] = parameters.map((value) => exact(value).requiresGrad_(true)) as [Tensor, Tensor];
      same(dtype, [x], ([map]) => groupNorm(map!, 4, weight, bias, 1e-5, relu), norm(w, b));
      near(weight.grad!, w.grad!, dtype, "the weight's gradient");
      near(bias.grad!, b.grad!, dtype, "the bias's gradient");
    }
  });

  it("keep their digits where a group's mean is a thousand deviations", () => {
    const x = maps([2, 16, 32, 32], "float32").add(1000);
    const [weight, bias] = [values(16).fill_(1), values(16).fill_(0)];
    near(groupNorm(x, 4, weight, bias, 1e-5, false), F.groupNorm(exact(x), 4), "float32", "the result");
  });

  it("have second derivatives", () => {
    const [one, zero] = [values(8).fill_(1.5), values(8).fill_(0.1)];
    const second = (body: (x: Tensor) => Tensor, x: Tensor) => {
      const leaf = x.detach().clone().requiresGrad_(true);
      const [first] = grad([body(leaf).pow(3).sum()], [leaf], { createGraph: true });
      const [again] = grad([first!.pow(2).sum()], [leaf]);
      return again!;
    };
    const x = maps([2, 8, 3, 3], "float32");
    const shares = (map: Tensor) => map.mean([2, 3]);
    const pairs: [(map: Tensor) => Tensor, (map: Tensor) => Tensor][] = [
      [(map) => normAct(map, map, zero, one, one, zero, 1e-5, true), (map) => frozen(map, zero, one).add(map).relu()],
      [
        (map) => groupNorm(map, 2, one, zero, 1e-5, true),
        (map) => F.groupNorm(map, 2, { weight: one, bias: zero }).relu(),
      ],
      [
        (map) => attend(map, shares(map)),
        (map) => {
          const weighed = map.mul(shares(map).reshape([2, 8, 1, 1]));
          return weighed.narrow(1, 0, 4).add(weighed.narrow(1, 4, 4));
        },
      ],
    ];
    for (const [kernel, operators] of pairs)
      near(second(kernel, x), second(operators, x), "float32", "the second derivative");

    /** Of mean and bias `zero`, and variance and weight `one`. */
    function frozen(map: Tensor, shift: Tensor, scale: Tensor): Tensor {
      const [s, f] = [shift, scale].map((value) => value.reshape([1, 8, 1, 1])) as [Tensor, Tensor];
      return map.sub(s).div(f.add(1e-5).sqrt()).mul(f).add(s);
    }
  });

  it("keep NaN, and rectify it not away", () => {
    const x = maps([1, 4, 2, 2], "float32").fill_(Number.NaN);
    const one = values(4).fill_(1);
    for (const y of [normAct(x, null, one, one, one, one, 1e-5, true), groupNorm(x, 1, one, one, 1e-5, true)]) {
      expect(y.isnan().all().item()).toBe(1);
    }
  });

  it("refuse what they cannot do", () => {
    const x = maps([1, 6, 2, 2], "float32");
    const one = values(6);
    expect(() => normAct(x, null, one, one, one, one, 1e-5, true)).toThrow("multiple of four channels");
    expect(() => attend(maps([1, 12, 2, 2], "float32"), values(12).reshape([1, 12]))).toThrow(
      "multiple of four channels",
    );
    expect(() => groupNorm(maps([1, 8, 2, 2], "float32"), 4, values(8), values(8), 1e-5, true)).toThrow("groups");
    expect(() => normAct(maps([1, 4, 2, 2], "float64"), null, one, one, one, one, 1e-5, true)).toThrow("float32");
    expect(() => normAct(maps([1, 8, 2, 2], "float32"), null, one, one, one, one, 1e-5, true)).toThrow("[8]");
    const strided = values(8).reshape([4, 2]).select(1, 0);
    const even = values(4);
    expect(() => normAct(maps([1, 4, 2, 2], "float32"), null, even, even, strided, even, 1e-5, true)).toThrow(
      "contiguous",
    );
  });

  it("take maps that begin within a pack, and empty ones", () => {
    const x = maps([1, 8, 1, 1], "float32").narrow(1, 2, 4);
    const one = values(4).fill_(1);
    const zero = values(4).fill_(0);
    near(normAct(x, null, zero, one, one, zero, 0, false), exact(x), "float32", "the result");
    for (const shape of [
      [0, 4, 3, 3],
      [2, 4, 0, 3],
    ]) {
      const empty = maps(shape, "float32");
      expect(normAct(empty, null, zero, one, one, zero, 0, true).shape).toEqual(shape);
      expect(groupNorm(empty, 1, one, zero, 1e-5, true).shape).toEqual(shape);
    }
  });

  // libtorch 1.13 multiplies no float16 on CPUs.
  it.each(types.filter((dtype) => device !== "cpu" || dtype !== "float16"))(
    "two products resize bilinearly in %s",
    (dtype) => {
      for (const channels of [3, 16]) {
        for (const alignCorners of [false, true]) {
          same(
            dtype,
            [maps([2, channels, 5, 7], dtype)],
            ([x]) => bilinearByProducts(x!, { size: [20, 11], alignCorners }),
            ([x]) => upsample(x!, [20, 11], alignCorners, null),
          );
        }
      }
      const x = maps([1, 2, 6, 4], "float32");
      const under = autocast({ device, dtype: "bfloat16" }, () =>
        bilinearByProducts(x, { size: [9, 6], alignCorners: true }),
      );
      expect(under.dtype).toBe("float32");
      near(
        bilinearByProducts(x, { scale: 1.5, alignCorners: false }),
        upsample(exact(x), null, false, [1.5, 1.5]),
        "float32",
        "by a scale",
      );
      expect(bilinearByProducts(maps([2, 16, 3, 3], dtype), { size: [6, 6], alignCorners: true }).isChannelsLast).toBe(
        true,
      );
    },
  );
});
