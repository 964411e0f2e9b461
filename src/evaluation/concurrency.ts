/** Work on many items, a few at a time. */

/**
 * Calls `work` on every item, at most `limit` calls at once. The first failure is thrown; no further item is begun
 * after it.
 * @param limit at least 1
 */
export async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      try {
        await work(items[next++]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, worker));
}
