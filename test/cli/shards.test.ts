/** What a command makes of its place among the processes of a machine. */
import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { deviceOf, shardLines, threadsOf } from "../../src/cli/shards.ts";
import { readWorld } from "../../src/world.ts";

const world = (localRank: number, localSize: number) =>
  readWorld({ RANK: "5", WORLD_SIZE: "8", LOCAL_RANK: String(localRank), LOCAL_WORLD_SIZE: String(localSize) });

describe("the processes of a machine", () => {
  it("share its cores, and each has one at least", () => {
    expect(threadsOf(world(0, 1))).toBe("auto");
    expect(threadsOf(world(0, 2))).toBe(Math.max(1, Math.floor(availableParallelism() / 2)));
    expect(threadsOf(world(0, 8000))).toBe(1);
  });

  it("take a GPU each where the device names none, or share them", () => {
    expect(deviceOf("cuda", world(3, 4), 4)).toBe("cuda:3");
    expect(deviceOf("cuda", world(3, 4), 2)).toBe("cuda:1");
    expect(deviceOf("cuda:0", world(3, 4), 4)).toBe("cuda:0");
    expect(deviceOf("cuda", world(0, 1), 4)).toBe("cuda");
    expect(deviceOf("cuda", world(3, 4), 0)).toBe("cuda");
    expect(deviceOf("cpu", world(3, 4), 4)).toBe("cpu");
  });
});

describe("a shard's last words", () => {
  it("name the shards that are missing, as long as they are few", () => {
    const state = (missing: string[]) => ({ shard: "1/20", missing, all: null });
    expect(shardLines(state(["2/20", "9/20"]), String)).toEqual(["shard 1/20 is done; not yet: 2/20, 9/20"]);
    const many = Array.from({ length: 12 }, (_, i) => `${i + 2}/20`);
    expect(shardLines(state(many), String)).toEqual(["shard 1/20 is done; not yet: 2/20 and 11 others"]);
    expect(shardLines({ shard: "1/20", missing: [], all: 7 }, (n) => `${n} images`)).toEqual([
      "all 20 shards are done: 7 images",
    ]);
    expect(shardLines(undefined, String)).toEqual([]);
  });
});
