/** Timing for benchmarks: warm-up, repeated runs, median and spread, and how a result leaves the process that measured it. */
import { writeFileSync } from "node:fs";

/** Of several runs: seconds, or whatever was measured. */
export interface Timing {
  median: number;
  min: number;
  max: number;
  runs: number;
}

/** Runs `body` once to warm up and then `runs` times. */
export function measure(body: () => void, { runs = 5, warmup = 1 }: { runs?: number; warmup?: number } = {}): Timing {
  for (let i = 0; i < warmup; i++) body();
  return timingOf(Array.from({ length: runs }, () => secondsOf(body)));
}

export function secondsOf(body: () => void): number {
  const start = performance.now();
  body();
  return (performance.now() - start) / 1000;
}

/** Median and spread of any numbers. */
export function timingOf(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: median(sorted), min: sorted[0]!, max: sorted.at(-1)!, runs: sorted.length };
}

/** Median and spread of a ÷ b, round by round: both numbers of a round saw the same machine, so drift cancels. */
export function ratioOf(a: readonly number[], b: readonly number[]): Timing {
  if (a.length !== b.length) throw new Error(`${a.length} rounds of one side, ${b.length} of the other`);
  return timingOf(a.map((value, round) => value / b[round]!));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Runs all sides in turn, A B A B, so that they see the same machine. @returns the numbers of each, a round each */
export async function inTurn<Name extends string>(
  rounds: number,
  sides: Record<Name, () => number | Promise<number>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const numbers = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = 0; round < rounds; round++) for (const name of names) numbers[name].push(await sides[name]());
  return numbers;
}

/** Where bench/main.ts wants a benchmark's result as JSON. */
export const RESULT_FILE = "CSRM_BENCH_RESULT";

/** Prints a result as text, or as JSON when the command line has --json; bench/main.ts gets the JSON in any case. */
export function print(result: Record<string, unknown>, text: string): void {
  const file = process.env[RESULT_FILE];
  if (file) writeFileSync(file, JSON.stringify(result));
  console.log(process.argv.includes("--json") ? JSON.stringify(result) : text);
}
