/** What a run ran on: versions, processor, git. Written to environment.json and shown by `csrm doctor`; needs no native addon. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "../scripts/libtorch.mjs";
import { messageOf } from "./errors.ts";

export interface CpuInfo {
  model: string;
  /** Logical processors that this process may use. */
  cores: number;
  avx2: boolean;
  avx512: boolean;
  /** Instructions that multiply bfloat16 numbers: AVX512_BF16 or AMX. */
  bf16: boolean;
}

export interface Environment {
  csrm: string;
  node: string;
  /** Version and source, or why none is usable. */
  libtorch: string;
  platform: string;
  cpu: CpuInfo;
  memory_gib: number;
  /** The commit checked out in the working directory, with "+" when files are changed; null outside a repository. */
  git: string | null;
}

export function collectEnvironment(cwd = process.cwd()): Environment {
  return {
    csrm: packageVersion(),
    node: process.version,
    libtorch: libtorchText(),
    platform: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: cpuInfo(),
    memory_gib: Math.round((os.totalmem() / 2 ** 30) * 10) / 10,
    git: gitCommit(cwd),
  };
}

/** src/ and dist/ lie equally deep in the package. */
export function packageVersion(): string {
  const file = join(dirname(fileURLToPath(import.meta.url)), "../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

/** The processor as the system describes it; `flags` stands for /proc/cpuinfo in tests. */
export function cpuInfo(flags = cpuFlags()): CpuInfo {
  const has = (flag: string) => flags.has(flag);
  return {
    model: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    avx2: has("avx2"),
    avx512: has("avx512f") && has("avx512vl"),
    bf16: has("avx512_bf16") || has("amx_bf16"),
  };
}

function cpuFlags(): Set<string> {
  try {
    if (process.platform === "darwin") {
      const names = ["machdep.cpu.features", "machdep.cpu.leaf7_features"];
      const text = names
        .map((name) => execFileSync("sysctl", ["-n", name], { encoding: "utf8", stdio: "pipe" }))
        .join(" ");
      return new Set(text.toLowerCase().split(/\s+/));
    }
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
    return new Set(line?.[1]?.trim().split(/\s+/) ?? []);
  } catch {
    // A system that does not tell has none of these as far as we know; nothing depends on it but advice.
    return new Set();
  }
}

function libtorchText(): string {
  try {
    const { version, source } = findLibtorch();
    return `${version} (${source})`;
  } catch (error) {
    return `none: ${messageOf(error).split("\n")[0]}`;
  }
}

function gitCommit(cwd: string): string | null {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const commit = git("rev-parse", "HEAD");
    return git("status", "--porcelain", "--untracked-files=no") === "" ? commit : `${commit}+`;
  } catch {
    return null;
  }
}
