/** Work on many files, one result each, that can stop after any of them and goes on where it stopped. */
import { stat } from "node:fs/promises";
import { CsrmError, messageOf } from "./errors.ts";
import { safePoint } from "./interrupt.ts";
import { readAhead, WriteBehind } from "./overlap.ts";
import type { Progress } from "./progress.ts";

export interface ResumableWork<Item, Value> {
  items: readonly Item[];
  /** Whether an item's result is there already. */
  isDone: (item: Item) => Promise<boolean>;
  /** Reads what the work needs, some items ahead. */
  read: (item: Item) => Promise<Value>;
  /** The work itself, one item at a time; returns how its result is written, which happens behind the next items' work. */
  work: (item: Item, value: Value) => Write | Promise<Write>;
  /** Told of an item that cannot be read, which is then left out; by default, or when it throws, the work ends. */
  onUnreadable?: (item: Item, error: unknown) => void;
  progress: Progress;
  label: string;
}

type Write = () => Promise<void>;

/** Items read ahead of the work. */
const AHEAD = 4;

/**
 * Works through all items that are not done.
 * @returns how many were done before
 * @throws what reading, working or writing throws; InterruptedError between two items, after what was done is written
 */
export async function workThrough<Item, Value>(options: ResumableWork<Item, Value>): Promise<number> {
  const { items, isDone, read, work, progress, label } = options;
  const todo: Item[] = [];
  for (const item of items) if (!(await isDone(item))) todo.push(item);
  const resumed = items.length - todo.length;
  using task = progress.task({ label, total: items.length, initial: resumed, unit: "image" });
  const writes = new WriteBehind();
  let done = resumed;
  let skipped = 0;
  try {
    for await (const next of readAhead(todo, AHEAD, read)) {
      await safePoint();
      if ("value" in next) await writes.add(await work(next.item, next.value));
      else if (options.onUnreadable) {
        options.onUnreadable(next.item, next.error);
        skipped++;
      } else throw next.error;
      task.update(++done, skipped > 0 ? { extras: { skipped } } : {});
    }
  } finally {
    await writes.finish();
  }
  return resumed;
}

/** An image without result. */
export interface Skipped {
  id: string;
  reason: string;
}

/** Notes an image that cannot be decoded. @throws any other error */
export function noteSkipped(skipped: Skipped[], id: string, error: unknown): void {
  if (!(error instanceof CsrmError && error.code === "image")) throw error;
  skipped.push({ id, reason: messageOf(error) });
}

/** @throws CsrmError (code "image") when all of `count` images, and there were some, were skipped */
export function assertSomeRead(skipped: readonly Skipped[], count: number): void {
  if (count === 0 || skipped.length < count) return;
  throw new CsrmError(`none of the ${count} images could be read; the first: ${skipped[0]!.reason}`, { code: "image" });
}

/** Whether a file is there and no older than those it was made from. */
export async function isNewer(result: string, ...sources: readonly string[]): Promise<boolean> {
  const [made, ...from] = await Promise.all([result, ...sources].map((file) => stat(file).catch(() => null)));
  return made != null && from.every((source) => source != null && made.mtimeMs >= source.mtimeMs);
}
