/** Shards: their names, which one a process does, their locks, and what they leave for each other. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { lockFolder, type RunLock } from "../src/run-lock.ts";
import { assertShards, ownShard, parseShard, type Shard, shardName, shardsOf, WHOLE } from "../src/shard.ts";
import { ShardParts } from "../src/shard-parts.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "csrm-shard-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

describe("a shard", () => {
  it("is told as K/N, counted from 1", () => {
    expect(parseShard("2/8")).toEqual({ rank: 1, size: 8 });
    expect(shardName({ rank: 1, size: 8 })).toBe("2/8");
    for (const text of ["0/8", "9/8", "2", "2/", "a/8", "-1/8", "1/0", ""]) {
      expect(() => parseShard(text), text).toThrow(`expected K/N with K in 1..N, e.g. 2/8, for --shard, got "${text}"`);
    }
  });

  it("is the one told, else the rank among a launcher's processes, else everything", () => {
    expect(ownShard({ rank: 1, size: 8 }, {}).shard).toEqual({ rank: 1, size: 8 });
    expect(ownShard(undefined, { RANK: "2", WORLD_SIZE: "3" }).shard).toEqual({ rank: 2, size: 3 });
    expect(ownShard(undefined, {}).shard).toEqual(WHOLE);
    expect(() => ownShard({ rank: 1, size: 8 }, { RANK: "2", WORLD_SIZE: "3" })).toThrow("--shard 2/8 in rank 2");
  });

  it("always has something to do", () => {
    assertShards({ rank: 0, size: 3 }, 3, "images");
    expect(() => assertShards({ rank: 0, size: 4 }, 3, "images")).toThrow("at most 3 shards for 3 images");
  });
});

describe("locks of shards", () => {
  const held: RunLock[] = [];
  const notes: string[] = [];
  const lock = (shard?: Shard) => {
    held.push(lockFolder(folder, (text) => notes.push(text), shard));
  };
  beforeEach(() => {
    onTestFinished(() => {
      for (const each of held.splice(0)) each.release();
      notes.length = 0;
    });
  });
  const another = (beats: object) =>
    JSON.stringify({ pid: 7, host: "elsewhere", birth: null, since: "then", ...beats });

  it("lie side by side, one a shard, and go", () => {
    for (const shard of shardsOf(3)) lock(shard);
    expect(readdirSync(folder).sort()).toEqual([".lock-1-of-3", ".lock-2-of-3", ".lock-3-of-3"]);
    for (const each of held.splice(0)) each.release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("keep out a second process of the same shard", () => {
    lock({ rank: 1, size: 3 });
    expect(() => lock({ rank: 1, size: 3 })).toThrow(`process ${process.pid}`);
    expect(() => lock({ rank: 1, size: 3 })).toThrow(`is at work on shard 2/3 in ${folder}; wait for it`);
  });

  it("keep out a process that does everything, shards of another size, and the other way round", () => {
    lock({ rank: 1, size: 3 });
    expect(() => lock()).toThrow("at work on shard 2/3");
    expect(() => lock({ rank: 0, size: 2 })).toThrow("at work on shard 2/3");
    expect(readdirSync(folder)).toEqual([".lock-2-of-3"]);
    held.pop()!.release();
    lock();
    expect(() => lock({ rank: 1, size: 3 })).toThrow(`is at work in ${folder}`);
    expect(readdirSync(folder)).toEqual([".lock"]);
  });

  it("do not keep out anybody when their process is gone, here or on a machine that gives no signs of life", () => {
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(folder, ".lock-1-of-2"), another({ pid: gone, host: "elsewhere", beats: true }));
    expect(() => lock()).toThrow(`process ${gone} on elsewhere`);
    expect(() => lock({ rank: 0, size: 2 })).toThrow(`delete ${join(folder, ".lock-1-of-2")}`);
    const before = new Date(Date.now() - 16 * 60_000);
    utimesSync(join(folder, ".lock-1-of-2"), before, before);
    lock();
    held.pop()!.release();
    lock({ rank: 0, size: 2 });
    expect(notes).toEqual([`took over ${folder} from process ${gone}, which is gone`]);
  });

  it("give a sign of life every minute as long as they are held", () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    lock({ rank: 0, size: 2 });
    const file = join(folder, ".lock-1-of-2");
    const before = new Date(Date.now() - 10 * 60_000);
    utimesSync(file, before, before);
    vi.advanceTimersByTime(61_000);
    expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(60_000);
    held.pop()!.release();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("without signs of life hold on another machine for ever", () => {
    const file = join(folder, ".lock");
    writeFileSync(file, another({}));
    const before = new Date(Date.now() - 24 * 3_600_000);
    utimesSync(file, before, before);
    expect(() => lock()).toThrow("process 7 on elsewhere");
  });
});

describe("the parts of shards", () => {
  const parts = (list = ["a", "b", "c"]) => new ShardParts<{ n: number }>({ folder, inputs: () => list.join() });
  const make = (rank: number, size: number) => parts().make({ rank, size }, async () => ({ n: rank }));

  it("are collected once all are there, in the order of the ranks", async () => {
    await make(2, 3);
    await make(0, 3);
    expect(await parts().collect(3)).toEqual({ all: null, missing: [{ rank: 1, size: 3 }] });
    await make(1, 3);
    expect(await parts().collect(3)).toEqual({ all: [{ n: 0 }, { n: 1 }, { n: 2 }], missing: [] });
    expect(await parts().collect(2)).toMatchObject({ all: null, missing: shardsOf(2) });
  });

  it("count as missing when they were made of other inputs", async () => {
    for (const rank of [0, 1]) await make(rank, 2);
    expect(await parts(["a", "b"]).collect(2)).toEqual({ all: null, missing: shardsOf(2) });
    expect(await parts(["a", "b"]).get({ rank: 0, size: 2 }, async () => ({ n: 9 }))).toEqual({ n: 9 });
    expect(await parts(["a", "b"]).collect(2)).toEqual({ all: null, missing: [{ rank: 1, size: 2 }] });
  });

  it("are not made again where they are there, and not there while they are made again", async () => {
    const shard = { rank: 0, size: 2 };
    await make(0, 2);
    const unneeded = async () => {
      throw new Error("not asked for");
    };
    expect(await parts().get(shard, unneeded)).toEqual({ n: 0 });
    await expect(parts().make(shard, unneeded)).rejects.toThrow("not asked for");
    expect(existsSync(join(folder, "1-of-2.json"))).toBe(false);
  });

  it("tell of how many shards most are there", async () => {
    expect(parts().size()).toBe(1);
    for (const [rank, size] of [
      [0, 2],
      [0, 5],
      [3, 5],
    ] as const)
      await make(rank, size);
    expect(parts().size()).toBe(5);
  });

  it("are named when they are damaged", async () => {
    await make(0, 2);
    writeFileSync(join(folder, "1-of-2.json"), "{}");
    await expect(parts().read({ rank: 0, size: 2 })).rejects.toThrow(join(folder, "1-of-2.json"));
  });
});
