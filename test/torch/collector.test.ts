/** How tensors and JavaScript's garbage collector get along. */
import { PerformanceObserver } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { empty, liveBytes, liveTensors, scope } from "../../src/torch/index.ts";

const LARGE = [2 ** 24]; // 64 MiB

/** How often a body makes the collector look at all of the heap. */
async function collections(body: () => void | Promise<void>): Promise<number> {
  let count = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind } = (entry as unknown as { detail: { kind: number } }).detail;
      // Major and incremental ones.
      if (kind === 4 || kind === 8) count++;
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  await body();
  await nextTurn();
  await nextTurn();
  observer.disconnect();
  return count;
}

it("large tensors of a scope do not wake the collector, which could not free them", async () => {
  const count = await collections(() =>
    scope(() => {
      // Two at once: V8 has patience with as much as one.
      for (let i = 0; i < 30_000; i++) scope(() => void [empty(LARGE), empty(LARGE)]);
    }),
  );
  expect(count).toBeLessThan(4);
});

it("tensors outside of scopes are collected before they fill the memory", async () => {
  const before = liveTensors();
  let most = 0;
  const count = await collections(async () => {
    for (let i = 0; i < 1000; i++) {
      empty(LARGE);
      most = Math.max(most, liveBytes());
      await nextTurn();
    }
  });
  expect(count).toBeGreaterThan(0);
  // Collecting takes its time, in which a few hundred more are made.
  expect(most).toBeLessThan(500 * 2 ** 26);
  expect(liveTensors() - before).toBeLessThan(500);
});
