/** `csrm refine crf`: draws the outlines of finished label maps where the photographs have them. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { labelIds } from "../../data/label-files.ts";
import { readList } from "../../data/voc.ts";
import { duration, type Progress } from "../../progress.ts";
import { type RefineSummary, refineCrf } from "../../refine/crf-stage.ts";
import { assertShards, digestOf, type Shard } from "../../shard.ts";
import { ShardParts } from "../../shard-parts.ts";
import { setThreads } from "../../torch/index.ts";
import { shardOf } from "../../world.ts";
import { type CrfOptions, crfSettings, withCrfOptions } from "../crf-options.ts";
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

interface RefineCrfOptions extends CrfOptions {
  images: string;
  labels: string;
  out: string;
  ids?: string;
  shard?: Shard;
  fresh?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm refine crf --images photos --labels masks/pseudo --out masks/refined
  csrm refine crf --images VOC2012/JPEGImages --labels pseudo --out pseudo-crf --crf-scale 0.5
  csrm refine crf --images photos --labels masks/pseudo --out masks/refined --shard 2/8

Label maps are <id>.png of ids 0 to 254; 255 is unknown and gets one of the image's labels. The same command on the same --out goes on
where it stopped, and does label maps that have changed since anew. Shards may run at the same time or one after the other, once all label maps are there.`;

export function register(program: Command): void {
  const refine = program.command("refine").description("Refines finished label maps.");
  const crf = refine
    .command("crf")
    .description("Refines label maps with a dense CRF: neighbours of like colour get like labels.")
    .requiredOption("--images <dir>", "folder of photographs")
    .requiredOption("--labels <dir>", "folder of label maps, <id>.png")
    .requiredOption("--out <dir>", "folder of the refined label maps: indexed PNG, VOC palette, the same ids")
    .option("--ids <file>", "list of image ids, one a line (default: every label map)");
  withShard(withCrfOptions(crf))
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: RefineCrfOptions) => {
      const { images, labels, out } = options;
      requireOutside(out, labels, "the labels'");
      requireOutside(out, images);
      const params = crfSettings(options);
      const world = shardOfCommand(options);
      const progress = shardProgress(world.shard);
      setThreads(threadsOf(world));
      const result = await interruptible(() => refineFolder(options, world.shard, progress), progress.note);
      if (options.json) printJson({ ...result, ...params });
      else print(asText(result));
    });
}

/** What --json prints beside the parameters. */
interface RefineResult {
  out: string;
  images: number;
  resumed: number;
  seconds: number;
  /** Where several processes share the list: the figures above are those of this one. */
  shards?: ShardState<RefineTotals>;
}

/** Figures of all shards together; seconds are those of all processes. */
type RefineTotals = Pick<RefineResult, "images" | "seconds">;

async function refineFolder(options: RefineCrfOptions, shard: Shard, progress: Progress): Promise<RefineResult> {
  const { images, labels, out, fresh } = options;
  const isThere = (id: string) => existsSync(join(labels, `${id}.png`));
  const ids = options.ids === undefined ? labelIds(labels) : readList(options.ids, isThere);
  const work = { images, labels, out, params: crfSettings(options), shard, fresh, progress };
  if (shard.size === 1) return resultOf(await refineCrf({ ...work, ids }));
  assertShards(shard, ids.length, "label maps");
  const parts = new ShardParts<RefineResult>({
    folder: join(resolve(out), SHARDS),
    inputs: (each) => digestOf(shardOf(ids, each)),
  });
  const refine = async () => resultOf(await refineCrf({ ...work, ids: shardOf(ids, shard) }));
  const result = await parts.make(shard, refine);
  return { ...result, shards: shardState(shard, await parts.collect(shard.size), totalsOf) };
}

function resultOf({ dir, ids, resumed, seconds }: RefineSummary): RefineResult {
  return { out: dir, images: ids.length, resumed, seconds };
}

function totalsOf(all: readonly RefineResult[]): RefineTotals {
  const sum = (key: "images" | "seconds") => all.reduce((total, part) => total + part[key], 0);
  return { images: sum("images"), seconds: sum("seconds") };
}

function asText({ out, images, resumed, seconds, shards }: RefineResult): string {
  const line = `${out}: ${images} label maps (${resumed} done before) in ${duration(seconds)}`;
  return [line, ...shardLines(shards, (all) => `${all.images} label maps`)].join("\n");
}
