/** What a process holds at one moment, and whether it grew: for long runs, where a small leak a step becomes a large one. */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { liveTensors } from "../../src/torch/index.ts";
import { median } from "../measure.ts";

export interface Resources {
  /** Bytes of memory that the process has. */
  rss: number;
  /** Bytes of JavaScript's own heap, garbage included. */
  heap: number;
  live_tensors: number;
  /** Open file descriptors; null where the system does not list them. */
  descriptors: number | null;
  /** What keeps the event loop alive: timers, reads, pool work. */
  handles: number;
}

/** Collects JavaScript's garbage, so that what is measured next is held by something. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

export function resourcesNow(): Resources {
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heap: heapUsed, live_tensors: liveTensors(), descriptors: descriptors(), handles: handles() };
}

function descriptors(): number | null {
  try {
    // The listing itself has one open while it is made.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return null;
  }
}

function handles(): number {
  return process.getActiveResourcesInfo().length;
}

/** How far values lie around their middle, as a fraction of it: 0.02 is ± 2 %. */
export function spreadOf(values: readonly number[]): number {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return most === least ? 0 : (most - least) / (most + least);
}

/** Growth from the first half of the values to the second as a fraction, of the smallest of each: what garbage covers and pauses uncover. */
export function floorGrowth(values: readonly number[]): number {
  const middle = values.length >> 1;
  const [before, after] = [Math.min(...values.slice(0, middle)), Math.min(...values.slice(middle))];
  return before === after ? 0 : after / before - 1;
}

/** The medians of the parts of a series, ten of them or as many as there are pairs. */
export function levelsOf(values: readonly number[]): number[] {
  const parts = Math.min(10, values.length >> 1);
  const at = (part: number) => Math.round((part * values.length) / parts);
  return Array.from({ length: parts }, (_, part) => median(values.slice(at(part), at(part + 1))));
}
