/** The GPU while something runs on it: nvidia-smi's samples, and what they say of a stretch of time. */
import { execFileSync, spawn } from "node:child_process";

export interface Sample {
  /** Milliseconds since 1970. */
  at: number;
  /** Percent. */
  utilisation: number;
  memory_mib: number;
}

export interface Usage {
  /** Mean, percent. */
  utilisation: number;
  /** Most, percent. */
  busiest: number;
  /** Most. */
  memory_mib: number;
  samples: number;
}

/** What the samples between two times say; null when there is none. */
export function usageOf(
  samples: readonly Sample[],
  { from, to } = { from: 0, to: Number.POSITIVE_INFINITY },
): Usage | null {
  const within = samples.filter(({ at }) => at >= from && at <= to);
  if (within.length === 0) return null;
  const used = within.map(({ utilisation }) => utilisation);
  return {
    utilisation: Math.round(used.reduce((sum, value) => sum + value, 0) / used.length),
    busiest: Math.max(...used),
    memory_mib: Math.max(...within.map(({ memory_mib }) => memory_mib)),
    samples: within.length,
  };
}

/** nvidia-smi's line "37, 4096"; null for what is no sample, e.g. "[N/A], 4096". */
export function sampleOf(line: string, at: number): Sample | null {
  const found = /^\s*(\d+)\s*,\s*(\d+)\s*$/.exec(line);
  return found ? { at, utilisation: Number(found[1]), memory_mib: Number(found[2]) } : null;
}

/** Takes a sample five times a second until it is stopped. */
export function watchGpu(id: number): { stop(): Sample[] } {
  const query = [
    "--query-gpu=utilization.gpu,memory.used",
    "--format=csv,noheader,nounits",
    `--id=${id}`,
    "-lms",
    "200",
  ];
  const child = spawn("nvidia-smi", query, { stdio: ["ignore", "pipe", "ignore"] });
  const samples: Sample[] = [];
  let rest = "";
  child.on("error", () => {}); // The GPU was there a moment ago; without samples the report says null.
  child.stdout.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const sample = sampleOf(line, Date.now());
      if (sample) samples.push(sample);
    }
  });
  return {
    stop() {
      child.kill();
      return samples;
    },
  };
}

export function gpuName(id: number): string {
  const args = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader", `--id=${id}`];
  return execFileSync("nvidia-smi", args, { encoding: "utf8" }).trim();
}
