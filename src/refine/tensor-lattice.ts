/**
 * The permutohedral lattice (Adams, Baek and Davis 2010) in tensor operators, for pixels that live on a GPU: sorting finds the vertices,
 * index_add splats, indexSelect blurs and slices. native/crf has the one for CPUs.
 */
import { CsrmError } from "../errors.ts";
import { arange, cat, ones, op, scope, stack, type Tensor, tensor, zeros } from "../torch/index.ts";

const unique = op("aten::_unique2");
const searchSorted = op("aten::searchsorted.Tensor");
const indexAdd = op("aten::index_add_");
const scatter = op("aten::scatter.src");
const addScaled = op("aten::add.Tensor");
const addProduct = op("aten::addcmul_");

/** A Gaussian filter over P points with d features; M vertices. */
export interface TensorLattice {
  /** [d + 1, P] int32: the vertices of each point's simplex. */
  vertices: Tensor;
  /** [d + 1, P]: each point's barycentric weights, times what normalises and weighs the filter. */
  weights: Tensor;
  /** Along each of d + 1 axes [M + 1] int32: the vertices before and after; M, which holds zeros, where there is none. */
  neighbours: [before: Tensor, after: Tensor][];
  /** M */
  count: number;
}

export interface TensorLatticeOptions {
  /** [P, d] float32: points in units of the kernel's widths, each feature between 0 and its extent. */
  features: Tensor;
  extents: readonly number[];
  /** Factor of the filter (the Potts weight). */
  weight: number;
  /** [P] int64 in 0…count−1: points of different groups do not see each other. Default: all see each other. */
  groups?: { ids: Tensor; count: number };
}

/**
 * The lattice of K̂ = D·K·D with D = 1/√(K·1), the symmetric normalisation.
 * @throws CsrmError when the extents are so large that vertices cannot be numbered
 */
export function buildLattice(options: TensorLatticeOptions): TensorLattice {
  return scope(() => {
    const { features, weight } = options;
    const { keys, weights, steps } = embed(options);
    const [distinct, places] = unique(keys, true, true, false) as [Tensor, Tensor, Tensor];
    const lattice: TensorLattice = {
      vertices: places.reshape(weights.shape).to("int32"),
      weights,
      neighbours: steps.map((step) => [neighbour(distinct, -step), neighbour(distinct, step)]),
      count: distinct.numel,
    };
    const norm = filter(lattice, ones([1, features.shape[0]!], { device: features.device }));
    return { ...lattice, weights: weights.mul(Math.sqrt(weight)).div(norm.add(1e-20).sqrt()) };
  });
}

/**
 * Channels before points: GPUs gather whole rows of 16 bytes, as four channels would be, thirty times slower than single numbers.
 * @param values [c, P] @returns [c, P]
 */
export function filter({ vertices, weights, neighbours, count }: TensorLattice, values: Tensor): Tensor {
  const corners = vertices.shape[0]!;
  return scope(() => {
    let sums = zeros([values.shape[0]!, count + 1], { device: values.device });
    for (let r = 0; r < corners; r++) {
      scope(() => void indexAdd(sums, 1, vertices.select(0, r), values.mul(weights.select(0, r))));
    }
    for (const [before, after] of neighbours) {
      sums = scope(() => addScaled(sums, sums.indexSelect(1, before).add_(sums.indexSelect(1, after)), 0.5));
    }
    const out = zeros(values.shape, { device: values.device });
    for (let r = 0; r < corners; r++) {
      scope(() => void addProduct(out, sums.indexSelect(1, vertices.select(0, r)), weights.select(0, r)));
    }
    // The blur's gain; it cancels against the normalisation's own.
    return out.mul_(1 / (1 + 2 ** (1 - corners)));
  });
}

/** How many groups of points with these extents can be numbered together; 0: not even one. */
export function mostGroups(extents: readonly number[]): number {
  return Math.floor(Number.MAX_SAFE_INTEGER / numbering(extents, 0).span);
}

interface Embedding {
  /** [(d + 1)·P] int64, corner by corner: the vertices' keys. */
  keys: Tensor;
  /** [d + 1, P] barycentric. */
  weights: Tensor;
  /** What walking along each axis adds to a key. */
  steps: number[];
}

/** The simplex around every point: which vertices it has, and how near the point is to each. */
function embed({ features, extents, groups }: TensorLatticeOptions): Embedding {
  return scope(() => {
    const d = extents.length;
    const points = features.shape[0]!;
    const { device } = features;
    const { scale, strides, base, span, steps } = numbering(extents, groups?.count ?? 1);
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
    if (groups) key = key.add(groups.ids.mul(span));
    const keys = [key];
    for (let r = 0; r < d; r++) {
      key = key.add(stepOf.indexSelect(0, order.select(0, d - r)));
      keys.push(key);
    }
    return { keys: cat(keys), weights: stack(weights), steps };
  });
}

/** Keys are linear in a vertex's first d coordinates (the last follows from them), so a step along an axis adds a constant. */
function numbering(extents: readonly number[], groups: number) {
  const d = extents.length;
  const scale = extents.map((_, i) => (Math.sqrt(2 / 3) * (d + 1)) / Math.sqrt((i + 1) * (i + 2)));
  // The ranges of the elevated coordinates: the first is a sum of all features, each further one loses a feature of its own.
  let reach = 0;
  const ranges: [number, number][] = new Array(d + 1);
  for (let j = d; j >= 1; j--) {
    ranges[j] = [-j * extents[j - 1]! * scale[j - 1]!, reach];
    reach += extents[j - 1]! * scale[j - 1]!;
  }
  ranges[0] = [0, reach];
  const strides: number[] = [];
  let [base, span] = [0, 1];
  for (const [low, high] of ranges.slice(0, d)) {
    // A vertex is within d + 1 of the rounded point, which is within d + 1 of the pixel; neighbours are d + 1 further.
    const first = Math.floor(low) - 3 * (d + 1);
    strides.push(span);
    base -= first * span;
    span *= Math.ceil(high) + 3 * (d + 1) - first + 1;
  }
  if (span * groups > Number.MAX_SAFE_INTEGER) {
    throw new CsrmError("expected sxy and srgb that are not tiny against the image's size and colours", {
      code: "crf",
    });
  }
  const total = strides.reduce((a, b) => a + b, 0);
  const steps = [...strides.map((stride) => total - (d + 1) * stride), total];
  return { scale, strides, base, span, steps };
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
