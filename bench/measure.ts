/** Timing for benchmarks: warm-up, repeated runs, median and spread. */

export interface Timing {
  /** Seconds, median. */
  median: number;
  min: number;
  max: number;
  runs: number;
}

/** Runs `body` once to warm up and then `runs` times. */
export function measure(body: () => void, { runs = 5, warmup = 1 }: { runs?: number; warmup?: number } = {}): Timing {
  for (let i = 0; i < warmup; i++) body();
  const seconds: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    body();
    seconds.push((performance.now() - start) / 1000);
  }
  return timingOf(seconds);
}

export function timingOf(seconds: readonly number[]): Timing {
  const sorted = [...seconds].sort((a, b) => a - b);
  return { median: median(sorted), min: sorted[0]!, max: sorted.at(-1)!, runs: sorted.length };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints a result as text, or as JSON when the command line has --json. */
export function print(result: Record<string, unknown>, text: string): void {
  console.log(process.argv.includes("--json") ? JSON.stringify(result) : text);
}
