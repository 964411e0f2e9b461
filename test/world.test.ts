import { describe, expect, test } from "vitest";
import { firstHost, readWorld, shardOf } from "../src/world.ts";

describe("readWorld", () => {
  test("is one process without a launcher", () => {
    expect(readWorld({})).toEqual({ rank: 0, size: 1, localRank: 0, localSize: 1, master: null });
  });

  test("reads torchrun's variables", () => {
    const env = {
      RANK: "5",
      WORLD_SIZE: "8",
      LOCAL_RANK: "1",
      LOCAL_WORLD_SIZE: "4",
      MASTER_ADDR: "n0",
      MASTER_PORT: "29500",
    };
    const master = { address: "n0", port: 29500 };
    expect(readWorld(env)).toEqual({ rank: 5, size: 8, localRank: 1, localSize: 4, master });
  });

  test("reads a PyTorchJob's variables: one process a pod", () => {
    const env = { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "job-master-0", MASTER_PORT: "23456" };
    const master = { address: "job-master-0", port: 23456 };
    expect(readWorld(env)).toEqual({ rank: 1, size: 2, localRank: 0, localSize: 1, master });
  });

  test("reads a SLURM step's variables and meets on the step's first node", () => {
    const env = {
      SLURM_PROCID: "6",
      SLURM_STEP_NUM_TASKS: "7",
      SLURM_LOCALID: "0",
      SLURM_NODEID: "2",
      SLURM_STEP_TASKS_PER_NODE: "3(x2),1",
      SLURM_STEP_NODELIST: "gpu[03-05]",
      SLURM_JOB_ID: "123456",
    };
    const master = { address: "gpu03", port: 23456 };
    expect(readWorld(env)).toEqual({ rank: 6, size: 7, localRank: 0, localSize: 1, master });
  });

  test("takes a SLURM job script without srun for one process", () => {
    expect(readWorld({ SLURM_PROCID: "0", SLURM_NTASKS: "4", SLURM_JOB_ID: "1" }).size).toBe(1);
  });

  test.each([
    [{ RANK: "1" }, "RANK is 1 in the environment, but WORLD_SIZE is not set"],
    [{ WORLD_SIZE: "2" }, "WORLD_SIZE is 2 in the environment, but RANK is not set"],
    [{ RANK: "2", WORLD_SIZE: "2" }, 'expected a whole number below 2 for RANK in the environment, got "2"'],
    [{ RANK: "0", WORLD_SIZE: "0" }, 'expected a whole number from 1 for WORLD_SIZE in the environment, got "0"'],
    [{ RANK: "x", WORLD_SIZE: "2" }, 'expected a whole number from 0 for RANK in the environment, got "x"'],
    [
      { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "a" },
      "MASTER_ADDR is a in the environment, but MASTER_PORT is not set",
    ],
    [{ RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "a", MASTER_PORT: "70000" }, "expected a port, 1..65535"],
    [
      { RANK: "0", WORLD_SIZE: "4", LOCAL_RANK: "2", LOCAL_WORLD_SIZE: "2" },
      "expected a whole number below 2 for LOCAL_RANK",
    ],
    [{ SLURM_STEP_NUM_TASKS: "2", SLURM_STEP_TASKS_PER_NODE: "two" }, "expected tasks a node as SLURM writes them"],
  ])("refuses %j", (env, message) => {
    expect(() => readWorld(env)).toThrow(message);
  });
});

test("torchrun's own server keeps its port, and csrm takes the next one", () => {
  const env = {
    RANK: "0",
    WORLD_SIZE: "2",
    MASTER_ADDR: "a",
    MASTER_PORT: "29500",
    TORCHELASTIC_USE_AGENT_STORE: "True",
  };
  expect(readWorld(env).master).toEqual({ address: "a", port: 29501 });
});

test("firstHost reads SLURM's compressed lists", () => {
  expect(firstHost("node[03-05,9],big1")).toBe("node03");
  expect(firstHost("node[7,9]")).toBe("node7");
  expect(firstHost("a1,a2")).toBe("a1");
  expect(firstHost("gpu-2")).toBe("gpu-2");
  expect(firstHost(undefined)).toBeUndefined();
});

test("shards are disjoint, cover the list and differ by one item at most", () => {
  const items = Array.from({ length: 11 }, (_, position) => position);
  const shards = [0, 1, 2].map((rank) => shardOf(items, { rank, size: 3 }));
  expect(shards.flat().sort((a, b) => a - b)).toEqual(items);
  expect(shards.map(({ length }) => length)).toEqual([4, 4, 3]);
});
