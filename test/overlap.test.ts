/** Reading ahead and writing behind: order, limits, failures. */
import { describe, expect, it } from "vitest";
import { readAhead, WriteBehind } from "../src/overlap.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

describe("reading ahead", () => {
  it("yields in order and never has more than so many reads begun beside the current one", async () => {
    let begun = 0;
    const most: number[] = [];
    const seen: number[] = [];
    const read = async (item: number) => {
      begun++;
      await turn();
      return item * 10;
    };
    for await (const next of readAhead([1, 2, 3, 4, 5, 6], 2, read)) {
      if (!("value" in next)) throw next.error;
      seen.push(next.value);
      most.push(begun - seen.length);
    }
    expect(seen).toEqual([10, 20, 30, 40, 50, 60]);
    expect(most).toEqual([2, 2, 2, 2, 1, 0]);
  });

  it("hands on what a read throws and goes on", async () => {
    const read = async (item: number) => {
      if (item === 2) throw new Error("two");
      return item;
    };
    const seen: unknown[] = [];
    for await (const next of readAhead([1, 2, 3], 5, read)) seen.push("value" in next ? next.value : next.error);
    expect(seen).toEqual([1, new Error("two"), 3]);
  });
});

describe("writing behind", () => {
  it("has at most so many writes at once and waits for the last", async () => {
    const writes = new WriteBehind(2);
    let now = 0;
    let most = 0;
    let done = 0;
    for (let i = 0; i < 6; i++) {
      await writes.add(async () => {
        most = Math.max(most, ++now);
        await turn();
        now--;
        done++;
      });
    }
    await writes.finish();
    expect({ most, done }).toEqual({ most: 2, done: 6 });
  });

  it("throws the first failure at the next write and at the end", async () => {
    const writes = new WriteBehind(1);
    await writes.add(async () => {
      throw new Error("disk full");
    });
    await expect(writes.add(turn)).rejects.toThrow("disk full");
    await expect(writes.finish()).rejects.toThrow("disk full");
  });
});
