/** Several processes train as one would with the whole batch; every test starts real ones. */
import { cpSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { alone as oneProcess, processGroupBackends, setProcesses } from "../../src/torch/index.ts";
import { assertDivisible, ownThreads } from "../../src/training/together.ts";
import { temporaryFolder, tinyData } from "../helpers/tiny.ts";
import { startTraining, stepWorker, trainIn, type WorkerJob, type WorkerResult } from "../helpers/together.ts";
import { checkpointOf, differences, expectEqualSteps, expectSame } from "../helpers/together-checks.ts";

// Plain gradient steps: AdamW would turn the rounding of a gradient that is 0 but for it into a step of full length.
const SET = [
  "threads=1",
  "precision=fp32",
  "classmix.probability=0",
  "pretrain={epochs: 1, batch_norm: frozen, optimizer: sgd, lr: 0.01}",
  "optimizer={name: sgd, lr: 0.001, lr_scratch: 0.01}",
  "segmentation.tags_weight=1",
];

let root: string;
/** One process and two, both stages, never stopped. */
let alone: WorkerJob;
let two: WorkerJob;

function job(changes: Partial<WorkerJob> = {}): WorkerJob {
  const stages = (["pretrain", "train"] as const).map((name) => ({ name, folder: temporaryFolder(name) }));
  return { root, stages, set: SET, timeout: 30, ...changes };
}

/** The main training alone, from the classifier of the two processes. */
function training(changes: Partial<WorkerJob> = {}): WorkerJob {
  const start = path.join(two.stages[0]!.folder, "model.safetensors");
  return job({ stages: [{ name: "train", folder: temporaryFolder("train"), start }], ...changes });
}

function losses({ stages }: WorkerJob, name: "pretrain" | "train"): Record<string, number>[] {
  const { folder } = stages.find((stage) => stage.name === name)!;
  const lines = readFileSync(path.join(folder, "metrics.jsonl"), "utf8").trimEnd().split("\n");
  return lines.map((line) => (JSON.parse(line) as { losses: Record<string, number> }).losses);
}

function expectFinished(results: readonly WorkerResult[]): void {
  for (const result of results) expect(result, JSON.stringify(result)).toMatchObject({ finished: true });
}

describe.skipIf(!processGroupBackends().includes("gloo"))("two processes", () => {
  beforeAll(async () => {
    root = await tinyData();
    two = job();
    expectFinished(await trainIn(2, two));
    // From the same classifier: a label that rounding turns over is no small difference.
    alone = job({ stages: [job().stages[0]!, training().stages[0]!] });
    expectFinished(await trainIn(1, alone));
  });

  it("end with the parameters and the memory bank of one that has the whole batch, with every loss on", () => {
    expectSame(alone, two, "pretrain");
    expectSame(alone, two, "train");
    const names = ["classification", "contrast", "s2c", "segmentation", "tags", "unsupervised"];
    expect(Object.keys(losses(two, "train").at(-1)!).sort()).toEqual(names);
  });

  it("learn from contrast, quantiles and class means of the whole batch, to the rounding of float64", async () => {
    await expectEqualSteps(stepWorker, ["paper", "authors"]);
  });

  it("log the losses of the whole batch", () => {
    for (const name of ["pretrain", "train"] as const) {
      const [mine, ours] = [losses(alone, name), losses(two, name)];
      expect(ours).toHaveLength(mine.length);
      for (const [i, each] of mine.entries())
        for (const [key, value] of Object.entries(each))
          expect.soft(ours[i]![key], `${key} of step ${i + 1}`).toBeCloseTo(value, 4);
    }
  });

  it("stop together when one is asked to, and end as if they had not when they go on", async () => {
    const stopped = training({ stopAt: { rank: 1, step: 4 } });
    for (const { finished } of await trainIn(2, stopped)) expect(finished).toBe(false);
    expect(checkpointOf(stopped, "train").step).toBe(4);
    const single = training();
    cpSync(stopped.stages[0]!.folder, single.stages[0]!.folder, { recursive: true });
    expectFinished(await trainIn(2, { ...stopped, stopAt: undefined }));
    expect(Object.values(differences(two, stopped, "train", true))).toEqual([0, 0, 0, 0]);
    expect(checkpointOf(stopped, "train").tensors.random!.size).toBe(3);
    // One process goes on as well.
    const results = await trainIn(1, single);
    expectFinished(results);
    expect(results[0]!.notes!.join()).toContain("the checkpoint is of 2 processes, now there are 1");
  });

  it("end within seconds when one is killed, naming it, and leave a checkpoint to go on from", async () => {
    const killed = training({ fault: { kind: "kill", rank: 1, step: 5 } });
    const { results } = await startTraining(2, killed);
    const { error, seconds } = await results[0]!;
    expect(error).toMatch(
      /^process 1 is gone, or silent for too long; the same command goes on from the last checkpoint/,
    );
    expect(seconds).toBeLessThan(20);
    expect(checkpointOf(killed, "train").step).toBe(3);
    expectFinished(await trainIn(2, { ...killed, fault: undefined }));
    expect(Object.values(differences(two, killed, "train", true))).toEqual([0, 0, 0, 0]);
  });

  it("end after the time that was given when one hangs", async () => {
    const { processes, results } = await startTraining(
      2,
      training({ timeout: 4, fault: { kind: "hang", rank: 1, step: 3 } }),
    );
    const { error, seconds } = await results[0]!;
    processes[1]!.child.kill("SIGKILL");
    expect(error).toMatch(/^process 1 is gone, or silent for too long/);
    expect(seconds).toBeGreaterThan(3);
    expect(seconds).toBeLessThan(20);
  });

  it("tell of the error of one", async () => {
    const [first, second] = await trainIn(2, training({ fault: { kind: "error", rank: 1, step: 2 } }));
    expect(second!.error).toBe("the disk is full");
    expect(first!.error).toMatch(/^process 1 stopped: the disk is full; the same command goes on/);
  });
});

describe("one of several processes", () => {
  it("refuses a batch that they cannot share, with a value that they can, and takes its part of the cores", () => {
    setProcesses({ ...oneProcess, size: 2 });
    onTestFinished(() => setProcesses(oneProcess));
    assertDivisible({ "batch.labelled": 4, "batch.unlabelled": 0 });
    expect(() => assertDivisible({ "batch.labelled": 3 })).toThrow(
      /expected a multiple of 2, the number of processes, for batch.labelled, got 3; say --set batch.labelled=4/,
    );
    expect(ownThreads(3)).toBe(3);
    expect(ownThreads("auto")).toBe(availableParallelism());
  });
});
