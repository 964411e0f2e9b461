import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { messageOf } from "../../src/errors.ts";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import { full, liveTensors, ones, rngState, type Tensor } from "../../src/torch/index.ts";
import { CheckpointFolder } from "../../src/training/checkpoint.ts";
import { loadRecipe } from "../../src/training/config.ts";
import { type LoopOptions, type StepRecord, type TrainingTask, trainingLoop } from "../../src/training/loop.ts";
import { divergenceRemedy } from "../../src/training/network.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

/** A task of a few steps that do nothing. */
function idle(steps: number, changes: Partial<TrainingTask<null>> = {}): TrainingTask<null> {
  return {
    steps,
    remedy: "a smaller step helps",
    skipped: new Map(),
    next: async () => null,
    step: () => ({ total: ones([]), losses: { one: ones([]) }, norm: ones([]) }),
    save: () => ({ tensors: {}, state: {} }),
    restore() {},
    async close() {},
    ...changes,
  };
}

function options(changes: Partial<LoopOptions> = {}): LoopOptions {
  const checkpoints = new CheckpointFolder({ folder: temporaryFolder("loop"), stage: "train" });
  return { checkpoints, checkpointEvery: 1, logEvery: 100, ...changes };
}

describe("the training loop", () => {
  it("leaves no tensors behind when it saves, be it copies of a bank or random states", async () => {
    const bank = new MemoryBank({ classes: 2, channels: 4, foreground: 5, background: 5 });
    const save = () => ({ tensors: { bank: bank.state().tensors, random: new Map([["cpu", rngState()]]) }, state: {} });
    const counts: number[] = [];
    const stop = () => {
      counts.push(liveTensors());
      return false;
    };
    const before = liveTensors();
    await trainingLoop(idle(4, { save }), options({ stop }));
    expect(new Set(counts).size).toBe(1);
    expect(liveTensors()).toBe(before);
  });

  it("looks at a GPU's numbers before it saves, also where the step is not logged", async () => {
    const diverged = { device: "cuda:0", item: () => Number.NaN } as unknown as Tensor;
    const step = (_: null, done: number) => ({ total: done === 2 ? diverged : ones([]), losses: {}, norm: null });
    const settings = options({ checkpointEvery: 3 });
    await expect(trainingLoop(idle(9, { step }), settings)).rejects.toThrow(/stopped at step 3: the total loss is NaN/);
    expect(settings.checkpoints.load()).toBeNull();
  });

  it("says which checkpoint is left when it stops, be it none, its own or one of an earlier call, and what helps", async () => {
    const failing = (at: number) => (_: null, done: number) => ({
      total: full([], done === at ? Number.NaN : 1),
      losses: {},
      norm: null,
    });
    const settings = options({ checkpointEvery: 2 });
    const messageAt = (at: number) => trainingLoop(idle(9, { step: failing(at) }), settings).catch(messageOf);
    const stopped = (at: number, kept: string) =>
      `training stopped at step ${at + 1}: the total loss is NaN. ${kept}; a smaller step helps`;
    expect(await messageAt(1)).toBe(stopped(1, "There is no checkpoint yet"));
    expect(await messageAt(3)).toBe(stopped(3, "The last checkpoint is from step 2"));
    expect(await messageAt(2)).toBe(stopped(2, "The last checkpoint is from step 2"));
    expect(settings.checkpoints.load()!.step).toBe(2);
  });

  it("goes on where float16 overflowed, recording only what is finite, until no loss scale helps", async () => {
    const records: StepRecord[] = [];
    const scales = [65_536, 32_768, 16_384, 0.5];
    const step = (_: null, done: number) => ({
      total: full([], done === 1 ? Number.POSITIVE_INFINITY : 1),
      losses: {},
      norm: full([], done === 0 ? 1 : Number.POSITIVE_INFINITY),
      scaling: { scale: scales[done]!, skipped: done, now: done > 0 },
    });
    const settings = options({ logEvery: 1, onRecord: (record) => records.push(record) });
    await expect(trainingLoop(idle(4, { step }), settings)).rejects.toThrow(
      "training stopped at step 4: gradients are not finite, the loss scale having fallen to 0.5. The last checkpoint is from step 3",
    );
    expect(records.map(({ time: _, ...record }) => record)).toEqual([
      { step: 1, total: 1, losses: {}, norm: 1, loss_scale: 65_536, skipped_steps: 0 },
      { step: 3, total: 1, losses: {}, loss_scale: 16_384, skipped_steps: 2 },
    ]);
  });

  it("advises the keys of the stage, and another precision only where it is another", () => {
    const recipe = (precision: string) => loadRecipe("toy-tiny", { set: [`precision=${precision}`] });
    expect(divergenceRemedy(recipe("bf16"), "pretrain.lr")).toBe(
      "a lower learning rate (pretrain.lr) or precision: fp32 usually helps",
    );
    expect(divergenceRemedy(recipe("fp32"), "pretrain.lr")).toBe("a lower learning rate (pretrain.lr) usually helps");
  });
});

describe("a folder of checkpoints", () => {
  const filesAfter = (keep: number) => {
    const folder = temporaryFolder("checkpoints");
    const checkpoints = new CheckpointFolder({ folder, stage: "train", keep });
    for (const step of [8, 9, 10, 11])
      checkpoints.save(step, { tensors: { a: new Map([["x", ones([2])]]) }, state: {} });
    expect(checkpoints.load()!.step).toBe(11);
    return readdirSync(folder).sort();
  };

  it("holds the last one and as many older ones as asked", () => {
    expect(filesAfter(0)).toEqual(["last.safetensors"]);
    expect(filesAfter(2)).toEqual([
      "last.safetensors",
      "step-10.safetensors",
      "step-11.safetensors",
      "step-9.safetensors",
    ]);
  });

  it("is cleared of what a killed process left half written", () => {
    const folder = temporaryFolder("killed");
    const checkpoints = new CheckpointFolder({ folder, stage: "train" });
    checkpoints.save(1, { tensors: {}, state: {} });
    writeFileSync(path.join(folder, ".csrm-1-ab.tmp"), "half");
    expect(checkpoints.load()!.step).toBe(1);
    expect(readdirSync(folder)).toEqual(["last.safetensors"]);
  });

  it.each([
    [0, /last\.safetensors.*; delete it to begin the stage anew/],
    [1, /last\.safetensors.*; copy .*step-1\.safetensors over it to go on from step 1/],
  ])("says how to go on when the last one is cut off and %i older ones are kept", (keep, advice) => {
    const checkpoints = new CheckpointFolder({ folder: temporaryFolder("damaged"), stage: "train", keep });
    for (const step of [1, 2]) checkpoints.save(step, { tensors: { a: new Map([["x", ones([2])]]) }, state: {} });
    truncateSync(checkpoints.last, 50);
    const before = liveTensors();
    expect(() => checkpoints.load()).toThrow(advice);
    expect(liveTensors()).toBe(before);
  });
});
