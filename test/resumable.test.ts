/** Work on many files: what is done stays done, an interruption loses nothing, failures end it or are told. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InterruptedError, watchInterrupts } from "../src/interrupt.ts";
import { silentProgress } from "../src/progress.ts";
import { isNewer, workThrough } from "../src/resumable.ts";

function scene(items = [1, 2, 3, 4]) {
  const done = new Set<number>();
  const worked: number[] = [];
  const options = {
    items,
    isDone: async (item: number) => done.has(item),
    read: async (item: number) => item * 10,
    work(item: number, value: number) {
      worked.push(value);
      return async () => void done.add(item);
    },
    progress: silentProgress,
    label: "work",
  };
  return { done, worked, options };
}

describe("working through items", () => {
  it("does each that is not done, in order, and says how many were", async () => {
    const { done, worked, options } = scene();
    done.add(2);
    expect(await workThrough(options)).toBe(1);
    expect(worked).toEqual([10, 30, 40]);
    expect(await workThrough(options)).toBe(4);
  });

  it("stops between two items when interrupted, with the results so far written, and goes on later", async () => {
    const { done, worked, options } = scene();
    const stopWatching = watchInterrupts(() => {});
    const interrupting = {
      ...options,
      work(item: number, value: number) {
        if (item === 2) process.emit("SIGINT");
        return options.work(item, value);
      },
    };
    await expect(workThrough(interrupting)).rejects.toThrow(InterruptedError);
    stopWatching();
    expect([...done]).toEqual([1, 2]);
    expect(await workThrough(options)).toBe(2);
    expect(worked).toEqual([10, 20, 30, 40]);
  });

  it("ends at an item that cannot be read, unless somebody takes the error", async () => {
    const { done, options } = scene();
    const broken = {
      ...options,
      read: async (item: number) => {
        if (item === 3) throw new Error("broken");
        return item;
      },
    };
    await expect(workThrough(broken)).rejects.toThrow("broken");
    expect([...done]).toEqual([1, 2]);
    const told: unknown[] = [];
    const onUnreadable = (item: number, error: unknown) => void told.push(item, error);
    expect(await workThrough({ ...broken, onUnreadable })).toBe(2);
    expect(told).toEqual([3, new Error("broken")]);
    expect([...done]).toEqual([1, 2, 4]);
  });

  it("throws what a write throws, even the last one", async () => {
    const { options } = scene([1]);
    const work = () => () => Promise.reject(new Error("disk full"));
    await expect(workThrough({ ...options, work })).rejects.toThrow("disk full");
  });
});

describe("a result", () => {
  it("is good while it is no older than what it was made from", async () => {
    const root = mkdtempSync(join(tmpdir(), "csrm-test-"));
    const [source, result] = [join(root, "source"), join(root, "result")];
    expect(await isNewer(result, source)).toBe(false);
    writeFileSync(source, "");
    expect(await isNewer(result, source)).toBe(false);
    writeFileSync(result, "");
    utimesSync(source, 100, 100);
    for (const [time, good] of [
      [99, false],
      [100, true],
      [101, true],
    ] as const) {
      utimesSync(result, time, time);
      expect(await isNewer(result, source)).toBe(good);
    }
    rmSync(source);
    expect(await isNewer(result, source)).toBe(false);
    rmSync(root, { recursive: true });
  });
});
