/** `--shard` and the ranks of a launcher: which part of the list a command does, with how many threads, and how it reports. */
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CsrmError, expected, messageOf } from "../errors.ts";
import { createProgress, type Progress, type ProgressStream } from "../progress.ts";
import { ownShard, parseShard, type Shard, shardName } from "../shard.ts";
import type { Collected } from "../shard-parts.ts";
import type { World } from "../world.ts";

export interface ShardOptions {
  shard?: Shard;
  fresh?: boolean;
}

/** Folder of the parts below that of the results. */
export const SHARDS = "shards";

/** How a shard's result tells of the others. */
export interface ShardState<Totals> {
  /** This one, "2/8". */
  shard: string;
  /** Shards that are not done yet, as far as can be seen. */
  missing: string[];
  /** Figures of the whole list, once none is missing. */
  all: Totals | null;
}

export function withShard(command: Command): Command {
  return command.addOption(
    new Option(
      "--shard <K/N>",
      "do only the K-th of N parts of the list, beside other processes that do the others (default: as RANK and WORLD_SIZE say)",
    ).argParser((text) => {
      try {
        return parseShard(text);
      } catch (error) {
        if (!(error instanceof CsrmError)) throw error;
        throw new InvalidArgumentError(messageOf(error));
      }
    }),
  );
}

/**
 * Which shard this process does, and its place on its machine.
 * @throws CsrmError for --fresh beside shards: each of them would move aside what the others have just made
 */
export function shardOfCommand({ shard: told, fresh }: ShardOptions): World & { shard: Shard } {
  const own = ownShard(told);
  if (fresh && own.shard.size > 1) {
    throw expected(
      "no --fresh beside shards",
      "the command line",
      "--fresh",
      "choose another --out, or move the old results away first",
    );
  }
  return own;
}

/** A bar for one process; for one of several, plain lines with its name before them. */
export function shardProgress(shard: Shard): Progress {
  if (shard.size === 1) return createProgress();
  const prefix = `[${shardName(shard)}] `;
  const stream: ProgressStream = { write: (text) => process.stderr.write(text.replace(/^(?=.)/gm, prefix)) };
  return createProgress({ stream });
}

/** Threads of this process: the processes of a machine share its cores. */
export function threadsOf({ localSize }: Pick<World, "localSize">): number | "auto" {
  return localSize > 1 ? Math.max(1, Math.floor(availableParallelism() / localSize)) : "auto";
}

/** The GPU of this process where the device names none; of fewer GPUs than processes each has several. */
export function deviceOf(device: string, { localRank, localSize }: World, cudaDevices: number): string {
  return device === "cuda" && localSize > 1 && cudaDevices > 0 ? `cuda:${localRank % cudaDevices}` : device;
}

/** What a shard's result says of the others. */
export function shardState<Result, Totals>(
  shard: Shard,
  { all, missing }: Collected<Result>,
  totals: (all: readonly Result[]) => Totals,
): ShardState<Totals> {
  return { shard: shardName(shard), missing: missing.map(shardName), all: all && totals(all) };
}

/** The same for a person. @param totals in words, of the whole list */
export function shardLines<Totals>(state: ShardState<Totals> | undefined, totals: (all: Totals) => string): string[] {
  if (!state) return [];
  const { shard, missing, all } = state;
  if (all) return [`all ${shard.split("/")[1]} shards are done: ${totals(all)}`];
  const [first, ...rest] = missing;
  return [
    `shard ${shard} is done; not yet: ${rest.length > 8 ? `${first} and ${rest.length} others` : missing.join(", ")}`,
  ];
}
