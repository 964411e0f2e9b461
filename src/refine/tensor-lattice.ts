/**
 * The permutohedral lattice (Adams, Baek and Davis 2010) in tensor operators, wherever the pixels are: sorting finds the vertices,
 * index_add splats, indexSelect blurs and slices. lattice.ts has faster kernels for GPUs, native/crf for CPUs.
 */
import { arange, cat, op, scope, stack, type Tensor, tensor, zeros } from "../torch/index.ts";
import type { Lattice } from "./lattice.ts";
import type { Numbering } from "./lattice-numbering.ts";

const unique = op("aten::_unique2");
const searchSorted = op("aten::searchsorted.Tensor");
const indexAdd = op("aten::index_add_");
const scatter = op("aten::scatter.src");
const addScaled = op("aten::add.Tensor");
const addProduct = op("aten::addcmul_");

/**
 * @param features [P, d] float32: points in units of the kernel's widths
 * @param groups of so many points each, one after the other, do not see each other
 * @returns the lattice with barycentric weights
 */
export function buildByOperators(features: Tensor, groups: number, numbers: Numbering): Lattice {
  return scope(() => {
    const { keys, weights } = embed(features, groups, numbers);
    const [distinct, places] = unique(keys, true, true, false) as [Tensor, Tensor, Tensor];
    const neighbours = numbers.steps.map((step) => stack([neighbour(distinct, -step), neighbour(distinct, step)]));
    return { vertices: places.reshape(weights.shape).to("int32"), weights, neighbours: stack(neighbours) };
  });
}

/**
 * Channels before points: GPUs gather whole rows of 16 bytes, as four channels would be, thirty times slower than single numbers.
 * @param values [c, P] @returns [c, P]
 */
export function filterByOperators({ vertices, weights, neighbours }: Lattice, values: Tensor): Tensor {
  const corners = vertices.size(0);
  return scope(() => {
    let sums = zeros([values.size(0), neighbours.size(2)], { device: values.device });
    for (let r = 0; r < corners; r++) {
      scope(() => void indexAdd(sums, 1, vertices.select(0, r), values.mul(weights.select(0, r))));
    }
    for (let r = 0; r < corners; r++) {
      sums = scope(() => {
        const [before, after] = [0, 1].map((side) => neighbours.select(0, r).select(0, side)) as [Tensor, Tensor];
        return addScaled(sums, sums.indexSelect(1, before).add_(sums.indexSelect(1, after)), 0.5);
      });
    }
    const out = zeros(values.shape, { device: values.device });
    for (let r = 0; r < corners; r++) {
      scope(() => void addProduct(out, sums.indexSelect(1, vertices.select(0, r)), weights.select(0, r)));
    }
    // The blur's gain; it cancels against the normalisation's own.
    return out.mul_(1 / (1 + 2 ** (1 - corners)));
  });
}

interface Embedding {
  /** [(d + 1)·P] int64, corner by corner: the vertices' keys. */
  keys: Tensor;
  /** [d + 1, P] barycentric. */
  weights: Tensor;
}

/** The simplex around every point: which vertices it has, and how near the point is to each. */
function embed(features: Tensor, groups: number, { scale, strides, base, span, steps }: Numbering): Embedding {
  return scope(() => {
    const [points, d] = features.shape as [number, number];
    const { device } = features;
    const elevated: Tensor[] = new Array(d + 1);
    let sum = zeros([points], { device });
    for (let j = d; j >= 1; j--) {
      const scaled = features.select(1, j - 1).mul(scale[j - 1]!);
      elevated[j] = sum.sub(scaled.mul(j));
      sum = sum.add(scaled);
    }
    elevated[0] = sum;

    // The nearest point whose coordinates are all multiples of d + 1, and the order of the distances to it.
    const all = stack(elevated); // [d + 1, P]
    const rounded = all.mul(1 / (d + 1)).round();
    const nearest = rounded.mul(d + 1);
    const delta = all.sub(nearest);
    const ranks = Array.from({ length: d + 1 }, () => rounded.sum(0).to("int64"));
    for (let a = 0; a < d; a++) {
      for (let b = a + 1; b <= d; b++) {
        const less = delta.select(0, a).lt(delta.select(0, b)).to("int64");
        ranks[a]!.add_(less);
        ranks[b]!.sub_(less.sub(1));
      }
    }
    // Coordinates must sum to zero: those out of range are shifted by d + 1.
    const rank = stack(ranks);
    const shift = rank
      .gt(d)
      .to("int64")
      .sub(rank.lt(0).to("int64"))
      .mul(d + 1);
    rank.sub_(shift);
    nearest.sub_(shift.to("float32"));

    const distance = all.sub(nearest).mul(1 / (d + 1));
    const sorted = scatter(zeros(distance.shape, { device }), 0, rank, distance);
    const last = sorted.select(0, d);
    const weights = [last.sub(sorted.select(0, 0)).add(1)];
    for (let r = 1; r <= d; r++) weights.push(sorted.select(0, d - r).sub(sorted.select(0, d + 1 - r)));

    const axes = arange(0, d + 1, { device })
      .reshape([d + 1, 1])
      .expand([d + 1, points]);
    const order = scatter(zeros(rank.shape, { dtype: "int64", device }), 0, rank, axes);
    const stepOf = tensor(BigInt64Array.from(steps, BigInt), { device });
    let key = zeros([points], { dtype: "int64", device }).add(base);
    for (let j = 0; j < d; j++) key = key.add(nearest.select(0, j).to("int64").mul(strides[j]!));
    const group = arange(0, groups, { device })
      .unsqueeze(1)
      .expand([groups, points / groups])
      .reshape([-1]);
    key = key.add(group.mul(span));
    const keys = [key];
    for (let r = 0; r < d; r++) {
      key = key.add(stepOf.indexSelect(0, order.select(0, d - r)));
      keys.push(key);
    }
    return { keys: cat(keys), weights: stack(weights) };
  });
}

/** @param keys [M] sorted @returns [M + 1] int32: where key + step is among them, else M */
function neighbour(keys: Tensor, step: number): Tensor {
  return scope(() => {
    const count = keys.numel;
    const wanted = keys.add(step);
    const found = searchSorted(keys, wanted).clamp(0, Math.max(0, count - 1));
    const missing = keys.indexSelect(0, found).ne(wanted);
    const none = tensor(BigInt64Array.of(BigInt(count)), { device: keys.device });
    return cat([found.maskedFill(missing, count), none]).to("int32");
  });
}
