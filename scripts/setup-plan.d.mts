/** Types of setup-plan.mjs. */

export type PackagesState = "current" | "missing" | "outdated" | "none needed";

export interface Facts {
  /** process.version */
  node: string;
  /** The error of findLibtorch, or null; missing: the system has none and none was asked for by name. */
  libtorch: { error: string | null; missing: boolean };
  /** Debian's libtorch is there but would use the slow reference BLAS. */
  slowBlas: boolean;
  /** Debian's libtorch is there without Gloo's headers. */
  noGloo: boolean;
  /** A C++ compiler was found. */
  compiler: boolean;
  /** apt-get is there. */
  apt: boolean;
  /** How packages can be installed without asking anybody. */
  privilege: "root" | "sudo" | null;
  packages: PackagesState;
  /** Whether dist/ was built from the sources as they are. "absent": an installed package without src/. */
  sources: "current" | "changed" | "absent";
}

export type Action =
  | { kind: "apt"; packages: string[]; sudo: boolean; optional: boolean }
  | { kind: "npm"; reason: PackagesState }
  | { kind: "native" }
  | { kind: "build" };

export interface Plan {
  actions: Action[];
  /** What works but could be better, for a person to know. */
  notes: string[];
  /** What a person has to mend before anything can be done, or null. */
  problem: string | null;
}

export const FAST_BLAS: string;
export const GLOO: string;
export function planSetup(facts: Facts): Plan;
export function packagesState(lock: string | null, installed: string | null): PackagesState;
