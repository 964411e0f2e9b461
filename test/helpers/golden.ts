/** Comparing tensors with the golden files: full tensors, or summaries of mean, spread, extremes and sampled values. */
import { appendFileSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Tensor } from "../../src/torch/index.ts";

/** A tensor in a golden file: all its values, or a sample of them with statistics. */
export interface Golden {
  shape: number[];
  data?: number[];
  mean?: number;
  std?: number;
  absmax?: number;
  idx?: number[];
  val?: number[];
  norm?: number;
}

/** Reads test/golden/<name>.json. */
export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}.json`, import.meta.url), "utf8")) as T;
}

/**
 * Notes how far a result is from its oracle, as a line of JSON in the file that CSRM_DEVIATIONS names, where it names one: the
 * numbers of docs/fidelity.md. @param deviation relative to the largest value, unless the name says otherwise
 */
export function recordDeviation(name: string, deviation: number): void {
  const file = process.env.CSRM_DEVIATIONS;
  if (!file) return;
  const { testPath, currentTestName } = expect.getState();
  const path = testPath?.replace(/^.*\/test\//, "test/");
  appendFileSync(file, `${JSON.stringify({ path, test: currentTestName, name, deviation })}\n`);
}

/**
 * Expects a tensor to equal a golden one within `tolerance` times its largest absolute value: shape, then every stored
 * value, then mean, standard deviation, extreme and norm where they are stored.
 * @param options.floor the least absolute tolerance, for tensors that are zero but for rounding
 */
export function expectGolden(
  tensor: Tensor,
  golden: Golden,
  { tolerance, name = "tensor", floor = 0 }: { tolerance: number; name?: string; floor?: number },
): void {
  expect(tensor.shape, `shape of ${name}`).toEqual(golden.shape);
  const actual = tensor.detach().to("float64").contiguous().toTypedArray() as Float64Array;
  const indices = golden.data ? golden.data.map((_, index) => index) : golden.idx!;
  const values = golden.data ?? golden.val!;
  const absmax = golden.absmax ?? Math.max(...values.map(Math.abs));
  const limit = Math.max(tolerance * absmax, floor);
  let worst = 0;
  for (let k = 0; k < indices.length; k++) {
    const difference = Math.abs(actual[indices[k]!]! - values[k]!);
    if (!(difference <= worst)) worst = difference; // keeps a NaN
  }
  recordDeviation(name, absmax > 0 ? worst / absmax : worst);
  expect(worst, `largest deviation of ${name} (absmax ${absmax})`).toBeLessThanOrEqual(limit);

  const { mean, std, largest, norm } = statistics(actual);
  const near = (got: number, want: number | undefined, what: string, allowed = limit) => {
    if (want !== undefined) expect(Math.abs(got - want), `${what} of ${name}`).toBeLessThanOrEqual(allowed);
  };
  near(mean, golden.mean, "mean");
  near(std, golden.std, "standard deviation");
  near(largest, golden.absmax, "largest absolute value");
  near(norm, golden.norm, "norm", tolerance * (golden.norm ?? 0));
}

function statistics(values: Float64Array): { mean: number; std: number; largest: number; norm: number } {
  let sum = 0;
  let squares = 0;
  let largest = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
    largest = Math.max(largest, Math.abs(value));
  }
  const mean = sum / values.length;
  let spread = 0;
  for (const value of values) spread += (value - mean) ** 2;
  return { mean, std: Math.sqrt(spread / values.length), largest, norm: Math.sqrt(squares) };
}
