/**
 * A Gaussian filter over points by the permutohedral lattice: by kernels of our own where a GPU's compiler is at hand
 * (native/cuda/lattice.cc), else by tensor operators. Both give the same lattice but for the vertices' order.
 */
import { hasGpuKernels, ones, op, scope, type Tensor } from "../torch/index.ts";
import { type Numbering, numbering } from "./lattice-numbering.ts";
import { buildByOperators, filterByOperators } from "./tensor-lattice.ts";

const latticeBuild = op("csrm::lattice_build");
const latticeFilter = op("csrm::lattice_filter");

/** P points with d features; M vertices. */
export interface Lattice {
  /** [d + 1, P] int32: the vertices of each point's simplex. */
  vertices: Tensor;
  /** [d + 1, P]: each point's barycentric weights, times what normalises and weighs the filter. */
  weights: Tensor;
  /** [d + 1, 2, M + 1] int32: along each axis the vertices before and after; M, which holds zeros, where there is none. */
  neighbours: Tensor;
}

export interface LatticeOptions {
  /** [P, d] float32: points in units of the kernel's widths, each feature between 0 and its extent. */
  features: Tensor;
  extents: readonly number[];
  /** Factor of the filter (the Potts weight). */
  weight: number;
  /** The points are so many groups of equally many, one after the other, which do not see each other. Default 1. */
  groups?: number;
  by: LatticeMeans;
}

export type LatticeMeans = "kernels" | "operators";

/** The faster of the means that there are for a device. */
export function latticeMeans(device: string): LatticeMeans {
  return hasGpuKernels(device) ? "kernels" : "operators";
}

/**
 * The lattice of K̂ = D·K·D with D = 1/√(K·1), the symmetric normalisation.
 * @throws CsrmError when the extents are so large that vertices cannot be numbered
 */
export function buildLattice({ features, extents, weight, groups = 1, by }: LatticeOptions): Lattice {
  return scope(() => {
    const numbers = numbering(extents, groups);
    const lattice =
      by === "kernels" ? buildByKernels(features, groups, numbers) : buildByOperators(features, groups, numbers);
    const norm = filter(lattice, ones([1, features.size(0)], { device: features.device }), by);
    return { ...lattice, weights: lattice.weights.mul(Math.sqrt(weight)).div(norm.add(1e-20).sqrt()) };
  });
}

function buildByKernels(features: Tensor, groups: number, { scale, strides, steps, base, span }: Numbering): Lattice {
  const grouped = features.size(0) / groups;
  const [vertices, weights, neighbours] = latticeBuild(features, grouped, scale, strides, steps, base, span);
  return { vertices, weights, neighbours };
}

/** @param values [c, P] @returns [c, P] */
export function filter(lattice: Lattice, values: Tensor, by: LatticeMeans): Tensor {
  if (by === "operators") return filterByOperators(lattice, values);
  return latticeFilter(values, lattice.vertices, lattice.weights, lattice.neighbours);
}
