/** What `csrm doctor` looks at. Every check works on its own, above all without the native addon: that is when it is needed. */
import { existsSync, statfsSync } from "node:fs";
import { findLibtorch, type Libtorch, usesReferenceBlas } from "../../scripts/libtorch.mjs";
import type { CpuInfo } from "../environment.ts";
import { messageOf } from "../errors.ts";

export interface Check {
  name: string;
  /** fail: csrm cannot work; warn: it works, but less well; info: a fact. */
  state: "ok" | "info" | "warn" | "fail";
  detail: string;
  /** How to mend it. */
  fix?: string;
}

/** What libtorch says about itself once it is loaded. */
export interface Runtime {
  libtorch: string;
  cpuCapability: string;
  threads: number;
  cudaDevices: number;
  processGroups: string[];
  config: string;
}

export type Loaded<Value> = { value: Value } | { error: string };

export const SETUP = "node scripts/setup.mjs";

/** Loads something and keeps the reason when that fails. */
export async function attempt<Value>(load: () => Promise<Value> | Value): Promise<Loaded<Value>> {
  try {
    return { value: await load() };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  return enough
    ? { name: "node", state: "ok", detail: version }
    : { name: "node", state: "fail", detail: version, fix: "install Node 20.19 or newer from https://nodejs.org" };
}

export function checkLibtorch(found: Loaded<Libtorch>): Check {
  if ("error" in found) {
    const [detail = "", ...ways] = found.error.split("\n");
    return { name: "libtorch", state: "fail", detail, fix: ways.join("\n") };
  }
  const { version, source, libDirs, cuda } = found.value;
  const where = { LIBTORCH: "LIBTORCH", pytorch: "Python's PyTorch", system: "system" }[source];
  return {
    name: "libtorch",
    state: "ok",
    detail: `${version}, ${where}, ${libDirs.join(" ")}${cuda ? ", with CUDA" : ""}`,
  };
}

export function checkBlas(found: Loaded<Libtorch>): Check[] {
  if ("error" in found || !usesReferenceBlas(found.value)) return [];
  const fix = "apt-get install libopenblas0-openmp";
  return [
    {
      name: "blas",
      state: "warn",
      detail: "the reference BLAS: matrix products are some 25 times slower than need be",
      fix,
    },
  ];
}

export function checkAddon(addon: Loaded<Runtime>): Check {
  return "error" in addon
    ? { name: "addon", state: "fail", detail: addon.error, fix: `${SETUP} builds it; npm run build makes dist/` }
    : { name: "addon", state: "ok", detail: `loaded, built against libtorch ${addon.value.libtorch}` };
}

/** The addon keeps to the libtorch it was linked with, whatever LIBTORCH says later. */
export function checkSameLibtorch(found: Loaded<Libtorch>, addon: Loaded<Runtime>): Check[] {
  if ("error" in found || "error" in addon) return [];
  const [now, then] = [found.value.version, addon.value.libtorch];
  if (now === then) return [];
  const detail = `libtorch ${now} is found now, but the addon was built against ${then} and goes on using that`;
  return [{ name: "addon build", state: "warn", detail, fix: `${SETUP} builds it anew` }];
}

export function checkCpu(cpu: CpuInfo, addon: Loaded<Runtime>): Check {
  const has = [cpu.avx2 ? "AVX2" : null, cpu.avx512 ? "AVX-512" : null, cpu.bf16 ? "bf16" : null].filter(
    (name) => name !== null,
  );
  const instructions = has.length > 0 ? has.join(", ") : process.arch === "x64" ? "no AVX2" : process.arch;
  const used =
    "error" in addon ? "" : `; libtorch uses ${addon.value.cpuCapability}, oneDNN ${onednn(addon.value.config)}`;
  const precision = cpu.bf16 ? "precision auto is bf16" : "precision auto is fp32";
  return {
    name: "cpu",
    state: "info",
    detail: `${cpu.model}, ${cpu.cores} cores, ${instructions}${used}; ${precision}`,
  };
}

function onednn(config: string): string {
  return /(?:oneDNN|MKL-DNN) v([\d.]+)/.exec(config)?.[1] ?? "absent";
}

export function checkThreads(cpu: CpuInfo, addon: Loaded<Runtime>): Check {
  const own = "error" in addon ? "" : ` (libtorch by itself: ${addon.value.threads})`;
  const detail = `threads: auto in a recipe is ${cpu.cores}${own}`;
  return { name: "threads", state: "info", detail };
}

/** @param noKernels why csrm's kernels cannot be compiled for a GPU; null where they can */
export function checkGpus(
  found: Loaded<Libtorch>,
  addon: Loaded<Runtime>,
  driver: boolean,
  noKernels: (device: string) => string | null,
): Check {
  const count = "error" in addon ? 0 : addon.value.cudaDevices;
  if (count > 0) {
    const detail = `${count} usable, say device: cuda in a recipe`;
    const reasons = Array.from({ length: count }, (_, i) => noKernels(`cuda:${i}`)).filter((reason) => reason !== null);
    if (reasons.length === 0) return { name: "gpus", state: "ok", detail };
    const slower = `csrm's own kernels cannot be compiled, so operators do their work more slowly: ${reasons[0]}`;
    return { name: "gpus", state: "warn", detail: `${detail}; ${slower}`, fix: "a libtorch for this GPU's generation" };
  }
  if (!driver) return { name: "gpus", state: "info", detail: "none" };
  const cuda = "value" in found && found.value.cuda;
  const detail = cuda
    ? "there is an NVIDIA driver, but libtorch sees no GPU"
    : "there is an NVIDIA GPU, but this libtorch has no CUDA";
  const fix = cuda
    ? "see whether nvidia-smi works"
    : "LIBTORCH=/path/to/a/libtorch/with/CUDA, or LIBTORCH_USE_PYTORCH=1";
  return { name: "gpus", state: "warn", detail, fix };
}

export function hasNvidiaDriver(): boolean {
  return existsSync("/proc/driver/nvidia/version") || existsSync("/dev/nvidia0");
}

/** Whether training in several processes is possible. */
export function checkProcesses(found: Loaded<Libtorch>, addon: Loaded<Runtime>): Check[] {
  if ("error" in found || "error" in addon) return [];
  const name = "processes";
  const { processGroups } = addon.value;
  if (processGroups.length > 0) {
    return [{ name, state: "ok", detail: `training in several processes works by ${processGroups.join(" and ")}` }];
  }
  if (found.value.gloo) {
    const detail = "Gloo's headers are there, but the addon was built without them";
    return [{ name, state: "warn", detail, fix: `${SETUP} builds it anew` }];
  }
  const system = found.value.source === "system";
  const fix = system ? `apt-get install libgloo-dev, then ${SETUP}` : undefined;
  const detail = `no headers of Gloo${system ? "" : " beside this libtorch"}; only needed to train in several processes`;
  return [{ name, state: "info", detail, fix }];
}

export function checkSharp(versions: Loaded<{ sharp?: string; vips?: string }>): Check {
  if ("error" in versions) {
    const fix = "npm ci (without --omit=optional: sharp's binaries are optional packages)";
    return { name: "sharp", state: "fail", detail: versions.error.split("\n")[0] ?? "", fix };
  }
  return { name: "sharp", state: "ok", detail: `${versions.value.sharp}, libvips ${versions.value.vips}` };
}

/** @param folder where runs are written */
export function checkDisk(folder: string, freeBytes = freeSpace(folder)): Check {
  const gib = freeBytes / 2 ** 30;
  const detail = `${gib.toFixed(1)} GiB free in ${folder}`;
  if (gib >= 2) return { name: "disk", state: "ok", detail };
  return {
    name: "disk",
    state: "warn",
    detail,
    fix: "a run with CAMs and checkpoints may need 2 GiB; choose an --out with more room",
  };
}

function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

export function locateLibtorch(): Promise<Loaded<Libtorch>> {
  return attempt(() => findLibtorch());
}
