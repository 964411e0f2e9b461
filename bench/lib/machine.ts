/** What figures depend on beside the code: processor, system, versions, and what else the machine had to do. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";
import { runtimeInfo } from "../../src/torch/index.ts";

export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  system: string;
  node: string;
  libtorch: string;
  bf16: boolean;
  /** Name, memory and driver as nvidia-smi tells them; null without one. */
  gpu: string | null;
  /** Short hash, with "+" where files differ from it; null outside of a checkout. */
  commit: string | null;
}

export function describeMachine(): Machine {
  const { libtorch, bf16, cudaDevices } = runtimeInfo();
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    system: `${systemName()}, Linux ${release()}`,
    node: process.version,
    libtorch,
    bf16,
    gpu: cudaDevices > 0 ? gpuName() : null,
    commit: commit(),
  };
}

/** One line for documents. */
export function machineText(machine: Machine): string {
  const { cpu, cores, memory_gib, system, node, libtorch, bf16, gpu, commit } = machine;
  const parts = [
    ...(gpu ? [gpu] : []),
    `${cores} cores of ${cpu}${bf16 ? " (with bfloat16)" : ""}`,
    `${memory_gib} GiB`,
    system,
    `libtorch ${libtorch}`,
    `Node ${node.slice(1)}`,
    ...(commit ? [`commit ${commit}`] : []),
  ];
  return parts.join(", ");
}

/** Processes that wanted to run, mean of the last minute. */
export function load(): number {
  return loadavg()[0]!;
}

function systemName(): string {
  if (!existsSync("/etc/os-release")) return process.platform;
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? process.platform;
}

function gpuName(): string {
  const args = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader", "--id=0"];
  return execFileSync("nvidia-smi", args, { encoding: "utf8" }).trim();
}

function commit(): string | null {
  const git = (...args: string[]) => spawnSync("git", args, { encoding: "utf8", cwd: import.meta.dirname });
  const { status, stdout } = git("rev-parse", "--short", "HEAD");
  if (status !== 0) return null;
  return stdout.trim() + (git("status", "--porcelain", "--untracked-files=no").stdout.trim() === "" ? "" : "+");
}
