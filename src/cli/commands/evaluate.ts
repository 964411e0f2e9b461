/**
 * `csrm evaluate`: mean IoU and its relatives of a folder of predictions, with everything that says how they were
 * made.
 */
import { existsSync } from "node:fs";
import { basename, join, parse } from "node:path";
import { type Command, Option } from "commander";
import { loadClasses, subsetClasses } from "../../data/classes.ts";
import { readList } from "../../data/voc.ts";
import { expected } from "../../errors.ts";
import { type EvaluateOptions, evaluatePredictions } from "../../evaluation/evaluate.ts";
import { type Evaluation, readEvaluation } from "../../evaluation/evaluation.ts";
import { maskIds } from "../../evaluation/masks.ts";
import { evaluateFromShards, evaluateShard } from "../../evaluation/shards.ts";
import {
  perClassTable,
  renderMarkdown,
  renderText,
  summaryTable,
  sweepTable,
  type Table,
} from "../../evaluation/table.ts";
import { writeFileAtomic } from "../../files.ts";
import type { Source } from "../../inference/predictor.ts";
import { createProgress, type Progress } from "../../progress.ts";
import { type Shard, shardName } from "../../shard.ts";
import { shardOf } from "../../world.ts";
import { wordsIn } from "../arguments.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireFile } from "../paths.ts";
import { SHARDS, type ShardState, shardLines, shardOfCommand, shardProgress, withShard } from "../shards.ts";

export interface EvaluateCommandOptions {
  predictions: string;
  masks: string;
  images?: string;
  ids?: string;
  classes: string;
  subset?: string;
  source?: Source;
  threshold?: string;
  split?: string;
  label?: string;
  method?: string;
  tta?: string;
  crf?: boolean;
  out?: string;
  shard?: Shard;
  markdown?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm evaluate --predictions runs/own/refine/val --masks VOC2012/SegmentationClass --classes voc \\
                --ids VOC2012/ImageSets/Segmentation/val.txt --crf
  csrm evaluate --predictions cams --masks masks --classes classes.txt --subset cat,dog --out train.json
  csrm evaluate --predictions cams-val --masks masks --classes classes.txt --ids val.txt --threshold train.json
  csrm evaluate --predictions labels --masks masks --classes voc --out val.json --shard 2/8

Predictions are label maps (<id>.png of dataset ids) or activation maps (<id>.npz or cams/<id>.npz); the files of csrm predict also
hold what the segmentation branch says (--source). Shards leave their counts beside --out, in val.shards for val.json; the last one to be
done, or the same command without --shard, writes the result of all.`;

export function register(program: Command): void {
  const command = program
    .command("evaluate")
    .description("Compares predictions with masks: mean IoU, IoU per class, false positives and negatives.")
    .requiredOption("--predictions <dir>", "folder of label maps or activation maps")
    .requiredOption("--masks <dir>", "folder of ground truth, <id>.png of dataset ids, 255 = not annotated")
    .requiredOption("--classes <table>", "voc, coco, toy, or a file of lines `id name` with 0 for the background")
    .option("--subset <names>", "only these classes, separated by commas; masks must hold no others")
    .option("--ids <file>", "list of image ids, one a line (default: every mask)")
    .option("--images <dir>", "photographs; given, every mask must have the size of its image")
    .addOption(
      new Option(
        "--source <what>",
        "which scores of csrm predict: activation maps (default), segmentation, or the mean of both",
      ).choices(["cam", "segmentation", "mean"]),
    )
    .option(
      "--threshold <t>",
      "scores only: a number, `sweep` (default: the best of .05 … .80), or the JSON of another evaluation, whose best is taken",
    )
    .option("--split <name>", "what the list is called in tables (default: the name of --ids)")
    .option("--label <text>", "what the predictions are called in tables")
    .option("--method <key>", "the method's key in a report; keys that begin with `start` are starting points")
    .option("--tta <text>", "how images were augmented when predicting, to stand beside the figures")
    .option("--crf", "say beside the figures that a dense CRF refined the predictions")
    .option("--no-crf", "say that none did")
    .option("--out <file>", "also write the result as JSON, e.g. to RUN/evaluate/val.json for the report");
  withShard(command)
    .option("--markdown", "print tables as Markdown")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: EvaluateCommandOptions) => {
      const { shard } = shardOfCommand(options);
      const sharded = shard.size > 1 ? await evaluateOne(options, shard) : null;
      const evaluation = sharded ? sharded.evaluation : await evaluate(options);
      if (evaluation === null) print(options.json ? JSON.stringify(sharded!.part, null, 2) : partText(sharded!.part));
      else if (options.json) printJson(evaluation);
      else print(asText(evaluation, options.markdown ? renderMarkdown : renderText));
    });
}

/** What --json prints of a shard while others are missing. */
interface PartResult extends ShardState<null> {
  /** Images of this shard. */
  images: number;
}

/** Evaluates as the command's options say, and writes the result where --out says. */
export async function evaluate(options: EvaluateCommandOptions): Promise<Evaluation> {
  const wanted = await wantedOf(options);
  const { out } = options;
  const progress = createProgress();
  using task = progress.task({ label: "evaluate", total: wanted.ids.length, unit: "image" });
  const work = { ...wanted, onProgress: (done: number) => task.update(done) };
  const counted =
    out === undefined ? null : await evaluateFromShards({ ...work, folder: shardsFolder(out), note: progress.note });
  const evaluation = counted ?? (await evaluatePredictions(work));
  if (out !== undefined) await writeEvaluation(out, evaluation);
  noteResized(evaluation, progress);
  return evaluation;
}

/** Predictions at the training size are usual, transposed ones are a mistake: whoever reads the table shall know. */
function noteResized({ resized, count }: Evaluation, { note }: Progress): void {
  if (resized > 0)
    note(`${resized} of ${count} predictions were of another size than their masks and resized (nearest)`);
}

/** Counts one shard; the last one to be done also evaluates the whole. */
async function evaluateOne(
  options: EvaluateCommandOptions,
  shard: Shard,
): Promise<{ evaluation: Evaluation | null; part: PartResult }> {
  const { out } = options;
  if (out === undefined) throw expected("--out FILE.json beside shards", "the command line", "none", OUT_OF_SHARDS);
  const wanted = await wantedOf(options);
  const progress = shardProgress(shard);
  using task = progress.task({ label: "evaluate", total: shardOf(wanted.ids, shard).length, unit: "image" });
  const onProgress = (done: number) => task.update(done);
  const work = { ...wanted, onProgress, folder: shardsFolder(out), note: progress.note };
  const { evaluation, count, missing } = await evaluateShard(work, shard);
  if (evaluation) {
    await writeEvaluation(out, evaluation);
    noteResized(evaluation, progress);
  }
  return { evaluation, part: { images: count, shard: shardName(shard), missing: missing.map(shardName), all: null } };
}

const OUT_OF_SHARDS = "the counts of the shards lie beside it";

function writeEvaluation(out: string, evaluation: Evaluation): Promise<void> {
  return writeFileAtomic(out, `${JSON.stringify(evaluation, null, 2)}\n`);
}

/** val.json → val.shards */
function shardsFolder(out: string): string {
  const { dir, name } = parse(out);
  return join(dir, `${name}.${SHARDS}`);
}

async function wantedOf(options: EvaluateCommandOptions): Promise<EvaluateOptions> {
  if (options.out !== undefined) requireFile(options.out, ".json", [options.threshold]);
  const all = loadClasses(options.classes);
  const classes = options.subset === undefined ? all : subsetClasses(all, wordsIn(options.subset));
  const ids =
    options.ids === undefined
      ? await maskIds(options.masks)
      : readList(options.ids, (id) => existsSync(join(options.masks, `${id}.png`)));
  const split = options.split ?? (options.ids === undefined ? null : basename(options.ids).replace(/\.txt$/, ""));
  const threshold = options.threshold === undefined ? {} : thresholdOf(options.threshold, options.source ?? "cam");
  const { predictions, masks, images, source, label, method, tta, crf } = options;
  return { predictions, masks, images, source, ids, classes, split, label, method, tta, crf, ...threshold };
}

function thresholdOf(text: string, source: Source): { threshold: number | "sweep"; thresholdFrom?: string } {
  if (text === "sweep") return { threshold: "sweep" };
  const number = Number(text);
  if (text.trim() !== "" && number >= 0 && number <= 1) return { threshold: number };
  if (!existsSync(text))
    throw expected("a number in 0..1, sweep, or the JSON file of an evaluation", "--threshold", text);
  const { best, split, source: measured } = readEvaluation(text);
  if (best === null) throw expected("an evaluation of scores", text, "one of label maps, which has no threshold");
  if ((measured ?? "cam") !== source) throw expected(`an evaluation of source ${source}`, text, measured ?? "cam");
  return { threshold: best.threshold, thresholdFrom: `best on ${split ?? basename(text)}` };
}

function partText(part: PartResult): string {
  return [`${part.images} images counted`, ...shardLines(part, () => "")].join("\n");
}

function asText(evaluation: Evaluation, render: (table: Table) => string): string {
  const tables = [summaryTable([evaluation]), perClassTable([evaluation])];
  if (evaluation.sweep) tables.push(sweepTable(evaluation));
  return tables.map(render).join("\n\n");
}
