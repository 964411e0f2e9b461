/** A part of a list that one of several processes works on: their names, and which one this process is to do. */
import { createHash } from "node:crypto";
import { expected } from "./errors.ts";
import { readWorld, type Variables, type World } from "./world.ts";

/** rank 0 … size − 1 of a list dealt out to `size` processes; see `shardOf`. */
export type Shard = Pick<World, "rank" | "size">;

/** All of a list. */
export const WHOLE: Shard = { rank: 0, size: 1 };

/** "2/8", the second of eight. */
export function shardName({ rank, size }: Shard): string {
  return `${rank + 1}/${size}`;
}

/** All shards of a list. */
export function shardsOf(size: number): Shard[] {
  return Array.from({ length: size }, (_, rank) => ({ rank, size }));
}

/** Reads "2/8". @throws CsrmError for anything else, and for a shard outside of 1 … size */
export function parseShard(text: string): Shard {
  const [index, size] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text.trim())?.slice(1) ?? []).map(Number);
  if (index === undefined || size === undefined || index < 1 || index > size) {
    throw expected("K/N with K in 1..N, e.g. 2/8,", "--shard", text);
  }
  return { rank: index - 1, size };
}

/**
 * The shard that this process is to do: the one it was told, else its rank among the processes of a launcher.
 * @throws CsrmError when both are there and the launcher started more than one
 */
export function ownShard(told: Shard | undefined, env: Variables = process.env): World & { shard: Shard } {
  const world = readWorld(env);
  if (told && world.size > 1) {
    const ranks = `a launcher's ${world.size} ranks`;
    throw expected(
      "either",
      `--shard and ${ranks}`,
      `--shard ${shardName(told)} in rank ${world.rank}`,
      "leave one out",
    );
  }
  return { ...world, shard: told ?? { rank: world.rank, size: world.size } };
}

/** @throws CsrmError when there are more shards than items, as one without work could only wait to be misread */
export function assertShards({ size }: Shard, count: number, what: string): void {
  if (size > count) throw expected(`at most ${count} shards for ${count} ${what}`, "the number of shards", size);
}

/** Tells whether two shards saw the same list, or the same files. */
export function digestOf(lines: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of lines) hash.update(`${line}\n`);
  return hash.digest("hex").slice(0, 32);
}
