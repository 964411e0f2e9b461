/** `csrm predict`: label maps for new photographs with a trained network. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Dataset } from "../../data/types.ts";
import { expected } from "../../errors.ts";
import { removeAbandoned } from "../../files.ts";
import { writeLabels } from "../../inference/label-stage.ts";
import { augmentationText, type PredictSettings } from "../../inference/predict-settings.ts";
import { predictCams } from "../../inference/predict-stage.ts";
import type { Source } from "../../inference/predictor.ts";
import type { InputSize } from "../../inference/resize.ts";
import { LABELS, REFINED } from "../../inference/results.ts";
import { modelInfo } from "../../models/model-file.ts";
import { duration, type Progress } from "../../progress.ts";
import { refineCrf } from "../../refine/crf-stage.ts";
import type { Skipped } from "../../resumable.ts";
import { lockFolder } from "../../run-lock.ts";
import { makeFolder } from "../../run-stage.ts";
import { assertShards, digestOf, type Shard } from "../../shard.ts";
import { ShardParts } from "../../shard-parts.ts";
import { cpuHasBf16, runtimeInfo, setThreads } from "../../torch/index.ts";
import { shardOf, type World } from "../../world.ts";
import { numberIn, numbersIn } from "../arguments.ts";
import { crfSettings, withCrfScale } from "../crf-options.ts";
import { deviceName, requireDevice } from "../device.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { writeOverlays } from "../overlays.ts";
import { requireOutside } from "../paths.ts";
import { openPhotographs } from "../photographs.ts";
import {
  deviceOf,
  SHARDS,
  type ShardState,
  shardLines,
  shardOfCommand,
  shardProgress,
  shardState,
  threadsOf,
  withShard,
} from "../shards.ts";

export interface PredictCommandOptions {
  model: string;
  images: string;
  out: string;
  tags: string;
  classes?: string;
  ids?: string;
  source?: Source;
  threshold: number;
  scales: number[];
  flip: boolean;
  size: InputSize;
  crf?: boolean;
  crfScale: number;
  overlays?: boolean;
  device: string;
  precision: "auto" | "fp32" | "bf16";
  strict?: boolean;
  shard?: Shard;
  fresh?: boolean;
  json?: boolean;
}

/** What --json prints. */
export interface PredictResult {
  out: string;
  /** Photographs with a label map. */
  images: number;
  /** Of those, how many the network had seen before. */
  resumed: number;
  skipped: Skipped[];
  predicted_tags: number;
  source: Source;
  threshold: number;
  tta: string;
  /** Folder of the label maps, and of those that the dense CRF refined. */
  labels: string;
  refined: string | null;
  overlays: string | null;
  seconds: number;
  /** Where several processes share the list: the figures above are those of this one. */
  shards?: ShardState<PredictTotals>;
}

/** Figures of all shards together; seconds are those of all processes. */
export type PredictTotals = Pick<PredictResult, "images" | "skipped" | "predicted_tags" | "seconds">;

const EXAMPLES = `
Examples:
  csrm predict --model runs/mine/train/model.safetensors --images photos --out masks --crf --overlays
  csrm predict --model model.safetensors --images photos --tags tags.csv --out masks
  csrm predict --model model.safetensors --images dog.jpg --tags all --scales 1 --no-flip --out masks
  csrm predict --model model.safetensors --images photos --out masks --shard 2/8

Writes OUT/pseudo/<id>.png (indexed, VOC palette, the ids that the network was trained with), with --crf OUT/pseudo-crf/<id>.png,
with --overlays OUT/overlays/<id>.jpg (of refined labels: overlays-crf), and OUT/cams/<id>.npz, the activation maps and probabilities. The same
command goes on where it stopped and takes in new photographs. Shards may run at the same time or one after the other; the same command without
--shard does what is missing.`;

export function register(program: Command): void {
  const command = program
    .command("predict")
    .description("Makes label maps of photographs with a trained network.")
    .requiredOption("--model <file>", "model.safetensors, e.g. of RUN/train")
    .requiredOption("--images <path>", "folder of photographs, or one photograph")
    .requiredOption("--out <dir>", "folder for the results")
    .option(
      "--tags <which>",
      "which classes may be in a photograph: its tags (a file or folder, or folders, as for csrm run; photographs they do not name: predicted), predicted, or all",
      "predicted",
    )
    .option(
      "--classes <table>",
      "the class table of the tags where it has more than the network's: voc, coco or a file",
    )
    .option("--ids <file>", "list of image ids, one a line (default: every photograph)")
    .addOption(
      new Option(
        "--source <what>",
        "what labels are made from (default: segmentation where the network has it)",
      ).choices(["cam", "segmentation", "mean"]),
    )
    .option(
      "--threshold <t>",
      "background threshold: what a class's score must exceed, the probability of being no background or the activation",
      numberIn({ least: 0, most: 1 }),
      0.3,
    )
    .option(
      "--scales <list>",
      "factors of the size whose results are summed up",
      numbersIn({ least: 0, open: true }),
      [0.5, 1, 1.5, 2],
    )
    .option("--no-flip", "do not sum up the mirrored photograph as well")
    .addOption(
      new Option(
        "--size <size>",
        "what the network sees at scale 1: original, HEIGHTxWIDTH, or the longer side at most",
      )
        .argParser(sizeOf)
        .default({ longest: 512 } satisfies InputSize, "512"),
    )
    .option("--crf", "also refine the label maps with a dense CRF (csrm refine crf has its parameters)");
  withShard(withCrfScale(command))
    .option("--overlays", "also write label colours over the photographs")
    .option("--device <device>", "cpu, cuda or cuda:N", deviceName, "cpu")
    .addOption(
      new Option("--precision <p>", "arithmetic of the network; auto: bf16 where the hardware has it")
        .choices(["auto", "fp32", "bf16"])
        .default("auto"),
    )
    .option("--strict", "stop at a photograph that cannot be read instead of skipping it")
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: PredictCommandOptions, called: Command) => {
      assertUsed(options, called.getOptionValueSource("crfScale") === "cli");
      const world = shardOfCommand(options);
      const progress = shardProgress(world.shard);
      const result = await interruptible(() => predict(options, world, progress), progress.note);
      if (options.json) printJson(result);
      else print(asText(result));
    });
}

/** @throws CsrmError for an option that would mean nothing without another one, naming both */
function assertUsed({ crf, classes, tags }: PredictCommandOptions, scaled: boolean): void {
  if (scaled && !crf) throw expected("--crf beside --crf-scale", "the command line", "none");
  if (classes !== undefined && tagSource(tags) === null) {
    throw expected("tags of photographs (--tags FILE) beside --classes", "--tags", tags, "only those use its names");
  }
}

/** Where the photographs' tags are; null where the network or nobody chooses. */
function tagSource(tags: string): string | null {
  return tags === "predicted" || tags === "all" ? null : tags;
}

/** Predicts as the command's options say. */
async function predict(
  options: PredictCommandOptions,
  world: World & { shard: Shard },
  progress: Progress,
): Promise<PredictResult> {
  const { cudaDevices } = runtimeInfo();
  const device = deviceOf(options.device, world, cudaDevices);
  requireDevice(device, cudaDevices);
  const { model } = options;
  const { shard } = world;
  const out = resolve(options.out);
  const { kind, classes } = modelInfo(model);
  const source = options.source ?? (kind === "csrm" ? "segmentation" : "cam");
  const where = {
    images: options.images,
    ids: options.ids ?? null,
    tags: tagSource(options.tags),
    table: options.classes ?? null,
  };
  const dataset = await openPhotographs(where, classes);
  assertShards(shard, dataset.samples.length, "photographs");
  if (statSync(options.images).isDirectory()) requireOutside(out, options.images);
  makeFolder(out);
  const lock = lockFolder(out, progress.note, shard);
  try {
    setThreads(threadsOf(world));
    if (shard.rank === 0) for (const note of dataset.notes ?? []) progress.note(note);
    const work = { options: { ...options, device }, out, source, progress, shard };
    if (shard.size === 1) return await predictAll({ ...work, dataset });
    const own = (each: Shard) => shardOf(dataset.samples, each);
    const parts = new ShardParts<PredictResult>({
      folder: join(out, SHARDS),
      inputs: (each) => digestOf(own(each).map(({ id }) => id)),
    });
    const result = await parts.make(shard, () => predictAll({ ...work, dataset: { ...dataset, samples: own(shard) } }));
    return { ...result, shards: shardState(shard, await parts.collect(shard.size), totalsOf) };
  } finally {
    lock.release();
  }
}

interface Work {
  options: PredictCommandOptions;
  out: string;
  dataset: Dataset;
  source: Source;
  progress: Progress;
  shard: Shard;
}

function totalsOf(all: readonly PredictResult[]): PredictTotals {
  const sum = (key: "images" | "predicted_tags" | "seconds") => all.reduce((total, part) => total + part[key], 0);
  const skipped = all.flatMap((part) => part.skipped);
  return { images: sum("images"), skipped, predicted_tags: sum("predicted_tags"), seconds: sum("seconds") };
}

/** Predicts the photographs of a data set, which are those of the shard. */
async function predictAll({ options, out, dataset, source, progress, shard }: Work): Promise<PredictResult> {
  const started = performance.now();
  const { model, threshold, fresh, strict } = options;
  const settings = settingsOf(options, source);
  const partial = shard.size > 1;
  const predicted = await predictCams({ model, dataset, out, settings, partial, fresh, strict, progress });
  const { ids, resumed, skipped, predicted_tags } = predicted;
  const { dir: labels } = await writeLabels({ out, ids, threshold, fresh, progress });
  const refined = options.crf ? join(out, REFINED) : null;
  if (refined !== null) {
    const params = crfSettings({ crfScale: options.crfScale });
    await refineCrf({ images: dataset, labels, out: refined, ids, params, shard, fresh, progress });
  }
  const overlays = options.overlays ? join(out, refined === null ? "overlays" : "overlays-crf") : null;
  if (overlays !== null) {
    removeAbandoned(overlays);
    const done = new Set(ids);
    const samples = dataset.samples.filter(({ id }) => done.has(id));
    await writeOverlays({ samples, labels: refined ?? join(out, LABELS), out: overlays, progress });
  }
  return {
    out,
    images: ids.length,
    resumed,
    skipped,
    predicted_tags,
    source,
    threshold,
    tta: augmentationText(settings),
    labels,
    refined,
    overlays,
    seconds: (performance.now() - started) / 1000,
  };
}

function settingsOf(options: PredictCommandOptions, source: Source): PredictSettings {
  const { scales, flip, size, device, precision, tags } = options;
  const auto = device.startsWith("cuda") || cpuHasBf16() ? "bf16" : "fp32";
  return {
    scales,
    flip,
    source,
    size,
    device,
    precision: precision === "auto" ? auto : precision,
    tags: tags === "predicted" || tags === "all" ? tags : "known",
  };
}

function sizeOf(text: string): InputSize {
  if (text === "original") return text;
  const sides = /^(\d+)(?:x(\d+))?$/.exec(text)?.slice(1, 3);
  const [height, width] = sides?.map((side) => (side === undefined ? undefined : Number(side))) ?? [];
  if (height === undefined || height < 32 || (width !== undefined && width < 32)) {
    throw new InvalidArgumentError("Expected original, HEIGHTxWIDTH or a number of pixels, at least 32.");
  }
  return width === undefined ? { longest: height } : [height, width];
}

function totalsText({ images, skipped }: PredictTotals): string {
  return `${images} label maps${skipped.length > 0 ? `, ${skipped.length} photographs skipped` : ""}`;
}

function asText(result: PredictResult): string {
  const { images, skipped, labels, refined, overlays, seconds } = result;
  const lines = [`${images} label maps in ${duration(seconds)}: ${labels}`];
  if (refined !== null) lines.push(`refined: ${refined}`);
  if (overlays !== null) lines.push(`overlays: ${overlays}`);
  if (skipped.length > 0) lines.push(`skipped ${skipped.length} of ${images + skipped.length} photographs:`);
  for (const { reason } of skipped) lines.push(`  ${reason}`);
  lines.push(...shardLines(result.shards, totalsText));
  return lines.join("\n");
}
