/** What the kinds of `csrm refine` have in common: folders, lists, shards, and what is printed at the end. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { labelIds } from "../../data/label-files.ts";
import { readList } from "../../data/voc.ts";
import { duration, type Progress } from "../../progress.ts";
import type { FolderOptions, RefineSummary } from "../../refine/refine-folder.ts";
import { assertShards, digestOf, type Shard } from "../../shard.ts";
import { ShardParts } from "../../shard-parts.ts";
import { setThreads } from "../../torch/index.ts";
import { shardOf } from "../../world.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireOutside } from "../paths.ts";
import {
  SHARDS,
  type ShardState,
  shardLines,
  shardOfCommand,
  shardProgress,
  shardState,
  threadsOf,
  withShard,
} from "../shards.ts";

export interface RefineFolderOptions {
  images?: string;
  labels: string;
  out: string;
  ids?: string;
  shard?: Shard;
  fresh?: boolean;
  strict?: boolean;
  json?: boolean;
}

/** What every help text of a refinement says of its files. */
export const FILES = `
Label maps are <id>.png of ids 0 to 254; 255 is unknown. The same command on the same --out goes on where it stopped, and does label
maps anew that have changed since, or whose photograph or masks have. Shards may run at the same time or one after the other, once all
label maps are there.`;

/** Adds the label maps' folders and list, before a command's own options. */
export function withLabels(command: Command): Command {
  return command
    .requiredOption("--labels <dir>", "folder of label maps, <id>.png")
    .requiredOption("--out <dir>", "folder of the refined label maps: indexed PNG, VOC palette, the same ids")
    .option("--ids <file>", "list of image ids, one a line (default: every label map)");
}

/** Adds --strict, where photographs are read. */
export function withStrict(command: Command): Command {
  return command.option("--strict", "stop at a photograph that cannot be read instead of skipping it");
}

/** Adds what comes after a command's own options. */
export function withFolderOptions(command: Command): Command {
  return withShard(command)
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION);
}

/** What --json prints beside the settings. */
interface RefineResult {
  out: string;
  images: number;
  skipped: RefineSummary["skipped"];
  resumed: number;
  seconds: number;
  /** Where several processes share the list: the figures above are those of this one. */
  shards?: ShardState<RefineTotals>;
}

/** Figures of all shards together; seconds are those of all processes. */
type RefineTotals = Pick<RefineResult, "images" | "skipped" | "seconds">;

/**
 * Refines the list, or this process' shard of it, and prints what was done.
 * @param settings what --json prints of them
 */
export async function refineAndPrint(
  options: RefineFolderOptions,
  work: (folder: FolderOptions) => Promise<RefineSummary>,
  settings: object,
): Promise<void> {
  const { images, labels, out } = options;
  requireOutside(out, labels, "the labels'");
  if (images !== undefined) requireOutside(out, images);
  const world = shardOfCommand(options);
  const progress = shardProgress(world.shard);
  setThreads(threadsOf(world));
  const result = await interruptible(() => refineShard(options, work, { shard: world.shard, progress }), progress.note);
  if (options.json) printJson({ ...result, ...settings });
  else print(asText(result));
}

async function refineShard(
  { labels, out, ids: list, fresh, strict = false }: RefineFolderOptions,
  work: (folder: FolderOptions) => Promise<RefineSummary>,
  { shard, progress }: { shard: Shard; progress: Progress },
): Promise<RefineResult> {
  const isThere = (id: string) => existsSync(join(labels, `${id}.png`));
  const ids = list === undefined ? labelIds(labels) : readList(list, isThere);
  const refine = async (part: readonly string[]) =>
    resultOf(await work({ labels, out, ids: part, shard, fresh, skip: !strict, progress }));
  if (shard.size === 1) return refine(ids);
  assertShards(shard, ids.length, "label maps");
  const parts = new ShardParts<RefineResult>({
    folder: join(resolve(out), SHARDS),
    inputs: (each) => digestOf(shardOf(ids, each)),
  });
  const result = await parts.make(shard, () => refine(shardOf(ids, shard)));
  return { ...result, shards: shardState(shard, await parts.collect(shard.size), totalsOf) };
}

function resultOf({ dir, ids, skipped, resumed, seconds }: RefineSummary): RefineResult {
  return { out: dir, images: ids.length, skipped, resumed, seconds };
}

function totalsOf(all: readonly RefineResult[]): RefineTotals {
  const sum = (key: "images" | "seconds") => all.reduce((total, part) => total + part[key], 0);
  return { images: sum("images"), skipped: all.flatMap((part) => part.skipped), seconds: sum("seconds") };
}

function asText({ out, images, skipped, resumed, seconds, shards }: RefineResult): string {
  const lines = [`${out}: ${images} label maps (${resumed} done before) in ${duration(seconds)}`];
  if (skipped.length > 0) lines.push(`skipped ${skipped.length} of ${images + skipped.length} label maps:`);
  lines.push(...skipped.map(({ reason }) => `  ${reason}`));
  const totals = (all: RefineTotals) => {
    const without = all.skipped.length > 0 ? `, ${all.skipped.length} skipped` : "";
    return `${all.images} label maps${without}`;
  };
  return [...lines, ...shardLines(shards, totals)].join("\n");
}
