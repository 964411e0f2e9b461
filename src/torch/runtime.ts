/** The library around the tensors: versions, threads, random state, mixed precision. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Device, DType } from "./dtype.ts";
import { native } from "./native.ts";
import { synchronous } from "./scope.ts";
import { Tensor } from "./tensor.ts";

export interface RuntimeInfo {
  libtorch: string;
  /** "AVX512", "AVX2", …: what libtorch's own kernels use; oneDNN decides for itself. */
  cpuCapability: string;
  /** Whether the CPU multiplies bfloat16 in hardware. */
  bf16: boolean;
  threads: number;
  cudaDevices: number;
  /** How several processes can talk: "gloo" (tensors on CPUs), "nccl" (GPUs). */
  processGroups: string[];
  /** libtorch's own description of how it was built. */
  config: string;
}

export function runtimeInfo(): RuntimeInfo {
  const { libtorch, config, cudaDevices } = native.versions();
  return {
    libtorch,
    cpuCapability: /CPU capability usage: (.*)/.exec(config)?.[1] ?? "unknown",
    bf16: cpuHasBf16(),
    threads: native.threads(),
    cudaDevices,
    processGroups: native.distBackends(),
    config,
  };
}

/** Whether this CPU has AVX-512 or AMX instructions for bfloat16, without which autocast only slows things down. */
export function cpuHasBf16(): boolean {
  if (!existsSync("/proc/cpuinfo")) return false;
  return /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}

/** Sets how many threads an operator may use; libtorch may start with one. Returns the number in force. */
export function setThreads(count: number | "auto" = "auto"): number {
  return native.threads(count === "auto" ? availableParallelism() : count);
}

export function getThreads(): number {
  return native.threads();
}

/** Seeds every device's generator. */
export function manualSeed(seed: number): void {
  native.manualSeed(seed);
}

/** The whole state of a device's generator, for checkpoints: uint8[n]. */
export function rngState(device: Device = "cpu"): Tensor {
  return Tensor.wrap(native.rngState(device));
}

export function setRngState(state: Tensor, device: Device = "cpu"): void {
  native.setRngState(device, state.handle);
}

/** Treats denormal numbers as zero, which the CPU computes much faster. Returns false where the CPU cannot. */
export function setFlushDenormal(on: boolean): boolean {
  return native.flushDenormal(on);
}

/**
 * Whether GPUs may round float32 to 10 bits of mantissa in convolutions, which is several times as fast; libtorch's default is true.
 * @returns what it was
 */
export function setTf32(on: boolean): boolean {
  return native.tf32(on);
}

export interface AutocastOptions {
  enabled?: boolean;
  /** What matrix products and convolutions compute in; default bfloat16 on the CPU, float16 on a GPU. */
  dtype?: DType;
  device?: Device;
}

/** Arithmetic of matrix products and convolutions: as the tensors are, or under autocast to bfloat16 or float16. */
export type Precision = "fp32" | "bf16" | "fp16";

/** Autocast as a precision says. */
export function withPrecision<T>(precision: Precision, device: Device, body: () => T): T {
  const dtype = precision === "fp16" ? "float16" : "bfloat16";
  return autocast({ enabled: precision !== "fp32", dtype, device }, body);
}

/** Runs `body` with mixed precision. Weights cast inside are kept until it ends, so let it span the forward passes of a step. */
export function autocast<T>({ enabled = true, dtype, device = "cpu" }: AutocastOptions, body: () => T): T {
  const type = device.split(":")[0]!;
  const [before, dtypeBefore] = native.autocast(type, enabled, dtype ?? (type === "cuda" ? "float16" : "bfloat16"));
  try {
    return synchronous(body(), "autocast()", "call it between the awaits");
  } finally {
    native.autocast(type, before, dtypeBefore);
  }
}
