/**
 * What the shards of a list say when they are done: one file each, SHARDS/2-of-8.json. Whoever finds all of them there has the result of
 * the whole; a part that was made of other inputs counts as missing.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expected } from "./errors.ts";
import { readJson, writeJson } from "./run-stage.ts";
import { type Shard, shardsOf } from "./shard.ts";

export interface PartsOptions {
  /** Made with the first part. */
  folder: string;
  /** What a shard's result was made of, as a digest: its part of the list, and where it matters the state of the files. */
  inputs: (shard: Shard) => string | Promise<string>;
}

/** The parts of all shards, or which are missing. */
export interface Collected<Result> {
  /** In the order of the ranks; null while some are missing. */
  all: Result[] | null;
  missing: Shard[];
}

export class ShardParts<Result extends object> {
  readonly folder: string;
  readonly #inputs: PartsOptions["inputs"];

  constructor({ folder, inputs }: PartsOptions) {
    this.folder = folder;
    this.#inputs = inputs;
  }

  /** A shard's result, null where it is not done, or was with other inputs. @throws CsrmError naming a damaged file */
  async read(shard: Shard): Promise<Result | null> {
    const file = this.#file(shard);
    if (!existsSync(file)) return null;
    const { inputs, result } = readJson(file);
    if (typeof inputs !== "string" || typeof result !== "object" || result === null) {
      throw expected("inputs and result", file, "neither", "delete it to do the shard again");
    }
    return inputs === (await this.#inputs(shard)) ? (result as Result) : null;
  }

  /** A shard's result as it stands there, else of the work done now. */
  async get(shard: Shard, work: () => Promise<Result>): Promise<Result> {
    return (await this.read(shard)) ?? (await this.make(shard, work));
  }

  /** Does a shard's work and says so; meanwhile the shard is not done. */
  async make(shard: Shard, work: () => Promise<Result>): Promise<Result> {
    // Before the work: what changes meanwhile may not have been seen by it.
    const inputs = await this.#inputs(shard);
    rmSync(this.#file(shard), { force: true });
    const result = await work();
    writeJson(this.#file(shard), { inputs, result });
    return result;
  }

  async collect(size: number): Promise<Collected<Result>> {
    const shards = shardsOf(size);
    const missing = shards.filter((shard) => !existsSync(this.#file(shard)));
    // Looking at inputs may mean looking at every file of a list.
    if (missing.length > 0) return { all: null, missing };
    const parts: (Result | null)[] = [];
    for (const shard of shards) parts.push(await this.read(shard));
    const all = parts.filter((part) => part !== null);
    return all.length === size ? { all, missing: [] } : { all: null, missing: shards.filter((_, k) => !parts[k]) };
  }

  /** The number of shards of which most parts are there, 1 without any. */
  size(): number {
    const counts = new Map<number, number>();
    for (const name of existsSync(this.folder) ? readdirSync(this.folder) : []) {
      const size = Number(/^\d+-of-(\d+)\.json$/.exec(name)?.[1] ?? 1);
      if (size > 1) counts.set(size, (counts.get(size) ?? 0) + 1);
    }
    const [most] = [...counts].sort(([a, countA], [b, countB]) => countB - countA || b - a);
    return most?.[0] ?? 1;
  }

  #file({ rank, size }: Shard): string {
    return join(this.folder, `${rank + 1}-of-${size}.json`);
  }
}
