/** What processes that trained together left, compared with what one left that had the whole batch. */
import path from "node:path";
import { expect } from "vitest";
import { loadTensors, type Tensor } from "../../src/torch/index.ts";
import { readCheckpoint } from "../../src/training/checkpoint.ts";
import { recordDeviation } from "./golden.ts";
import { temporaryFolder } from "./tiny.ts";
import { startProcesses, type WorkerJob } from "./together.ts";

type StageName = WorkerJob["stages"][number]["name"];

/** The last checkpoint of a job's stage. */
export function checkpointOf({ stages }: WorkerJob, name: StageName) {
  const { folder } = stages.find((stage) => stage.name === name)!;
  return readCheckpoint(path.join(folder, "checkpoints/last.safetensors"), name);
}

/** The largest difference of two checkpoints' tensors by group, relative to a tensor's largest value where that is above 1. */
export function differences(a: WorkerJob, b: WorkerJob, name: StageName, exactly = false): Record<string, number> {
  const [one, other] = [a, b].map((each) => checkpointOf(each, name).tensors);
  const worst: Record<string, number> = {};
  for (const [group, tensors] of Object.entries(one!)) {
    // Momentum also holds what a label that rounding turns over is worth; what counts is what becomes of it.
    if (group === "random" || (group.endsWith("optimizer") && !exactly)) continue;
    const theirs = other![group]!;
    expect([...theirs.keys()].sort(), group).toEqual([...tensors.keys()].sort());
    worst[group] = 0;
    for (const [key, tensor] of tensors) {
      const [x, y] = [tensor, theirs.get(key)!].map((each) => each.to("float64").flatten().toArray());
      expect(y!.length, key).toBe(x!.length);
      const scale = x!.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      for (const [i, value] of x!.entries()) {
        const difference = Math.abs(value - y![i]!) / scale;
        if (!(difference <= worst[group]!)) worst[group] = difference;
      }
    }
  }
  return worst;
}

export function expectSame(a: WorkerJob, b: WorkerJob, name: StageName): void {
  for (const [group, worst] of Object.entries(differences(a, b, name))) {
    recordDeviation(`${name}, ${group}`, worst);
    expect.soft(worst, `${name}, ${group}`).toBeLessThan(1e-5);
  }
}

/** Runs a worker's whole steps in one process and in two, and compares what they end with. @param cases that the worker goes through */
export async function expectEqualSteps(worker: string, cases: readonly string[]): Promise<void> {
  const out = path.join(temporaryFolder("steps"), "steps");
  const started = await Promise.all([1, 2].map((size) => startProcesses(size, [worker, out])));
  expect(await Promise.all(started.flat().map(({ output }) => output))).toEqual(["{}\n", "{}\n", "{}\n"]);
  for (const name of cases) {
    const [one, first, second] = ["0of1", "0of2", "1of2"].map(
      (which) => loadTensors(`${out}-${name}-${which}.safetensors`).tensors,
    );
    const rows = one!.get("bank")?.shape[0];
    if (rows !== undefined) expect(rows, "rows in the bank").toBeGreaterThan(100);
    for (const [key, tensor] of one!) {
      const worst = (other: Map<string, Tensor>) => tensor.sub(other.get(key)!).abs().max().item();
      const [a, b] = [worst(first!), worst(second!)];
      recordDeviation(`${name}, ${key}`, Math.max(a, b));
      expect.soft(Math.max(a, b), `${name}, ${key}`).toBeLessThan(1e-9);
    }
  }
}
