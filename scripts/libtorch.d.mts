/** Types of libtorch.mjs. */

export interface Libtorch {
  /** Which of the three ways gave it. */
  source: "LIBTORCH" | "pytorch" | "system";
  /** For -I, in this order. */
  includeDirs: string[];
  /** For -L and -Wl,-rpath. */
  libDirs: string[];
  /** "1.13.0", from torch/version.h. */
  version: string;
  /** The value of _GLIBCXX_USE_CXX11_ABI it was built with. */
  cxx11Abi: 0 | 1;
  /** Whether libtorch_cuda is there. */
  cuda: boolean;
  /** Whether Gloo's headers are there (Debian: libgloo-dev), needed for several processes on CPUs. */
  gloo: boolean;
  /** Folders of headers beside libtorch's that NCCL's process group needs, all found; null where it cannot be built. */
  nccl: string[] | null;
}

export interface FindOptions {
  env?: Record<string, string | undefined>;
  /** System prefixes to look under. */
  prefixes?: string[];
}

export class LibtorchError extends Error {
  /** True where nothing was asked for by name and the system has none: installing one mends it. */
  missing: boolean;
}

export const LIBTORCH_WAYS: string;

/** Locates libtorch without loading it. Throws LibtorchError naming what is wrong and the three ways. */
export function findLibtorch(options?: FindOptions): Libtorch;

/** Whether a system libtorch would multiply matrices with the unoptimised reference BLAS (some 25 times slower). */
export function usesReferenceBlas(libtorch: Pick<Libtorch, "source" | "libDirs">): boolean;
