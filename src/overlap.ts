/** Reading and writing beside synchronous work: files are read ahead of it and written behind it, a few at a time. */

/** An item with what was read for it, or with why that failed. */
export type ReadAhead<Item, Value> = { item: Item; value: Value } | { item: Item; error: unknown };

/**
 * Yields what `read` gives for every item, in order, with up to `ahead` reads begun before they are needed. A read that
 * fails is yielded too: whoever consumes decides what that means.
 */
export async function* readAhead<Item, Value>(
  items: readonly Item[],
  ahead: number,
  read: (item: Item) => Promise<Value>,
): AsyncGenerator<ReadAhead<Item, Value>> {
  const attempt = async (item: Item): Promise<ReadAhead<Item, Value>> => {
    try {
      return { item, value: await read(item) };
    } catch (error) {
      return { item, error };
    }
  };
  const begun: Promise<ReadAhead<Item, Value>>[] = [];
  for (let next = 0; next < items.length || begun.length > 0; ) {
    while (begun.length <= ahead && next < items.length) begun.push(attempt(items[next++]!));
    yield await begun.shift()!;
  }
}

/** Writes that go on while other work is done; at most `limit` at once. */
export class WriteBehind {
  readonly #limit: number;
  readonly #pending = new Set<Promise<void>>();
  #failure: { error: unknown } | null = null;

  constructor(limit = 8) {
    this.#limit = limit;
  }

  /** Begins a write, once there is room for it. @throws what an earlier write threw */
  async add(write: () => Promise<void>): Promise<void> {
    while (this.#pending.size >= this.#limit) await Promise.race(this.#pending);
    this.#rethrow();
    const pending = write()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Waits for all writes. @throws what the first failed write threw */
  async finish(): Promise<void> {
    await Promise.all(this.#pending);
    this.#rethrow();
  }

  #rethrow(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
