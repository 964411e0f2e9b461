/** `csrm weights inspect|convert|fetch`: what files of weights hold, and into which form csrm or PyTorch want them. */
import { extname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { loadClasses, subsetClasses } from "../../data/classes.ts";
import { expected } from "../../errors.ts";
import { writeFileAtomic } from "../../files.ts";
import { encodeSafetensorsFile } from "../../formats/safetensors-writer.ts";
import type { StoredTensor, TensorFile } from "../../formats/stored-tensor.ts";
import { openTensorFile } from "../../formats/tensor-file.ts";
import { encodeTorchFile } from "../../formats/torch-writer.ts";
import type { OutputStride } from "../../models/backbone.ts";
import { convertWeights } from "../../models/convert-weights.ts";
import { allowances, type Purpose, purposes } from "../../models/fit-weights.ts";
import { type Statement, statementsOf } from "../../models/load-weights.ts";
import { createProgress } from "../../progress.ts";
import { registerFetch } from "../fetch-weights.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { weightsReport, weightsText } from "../weights-report.ts";

interface InspectOptions {
  section?: string;
  keys?: boolean;
  json?: boolean;
}

interface ConvertCommandOptions {
  to: string;
  for?: Purpose;
  backbone?: string;
  classes?: string;
  subset?: string;
  outputStride?: string;
  decoderStride?: string;
  section?: string;
  allowMissing?: RegExp[];
  allowUnexpected?: RegExp[];
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm weights convert resnest101-22405ba7.pth --for backbone --to resnest101.safetensors
  csrm weights convert puzzle-cam.pth --for classifier --classes voc --to start.safetensors
  csrm weights convert csrm-authors.pth --for csrm --classes voc --to model.safetensors
  csrm weights convert runs/own/train/model.safetensors --to model.pth

Without --for, names stay as they are. With it, every name must fit the network; what differs is an error that lists the names.`;

const SECTION = ["--section <name>", "part of a PyTorch checkpoint, e.g. state_dict (default: its network)"] as const;

export function register(program: Command): void {
  const weights = program.command("weights").description("Looks into files of weights, converts and fetches them.");
  weights
    .command("inspect")
    .description(
      "Tells format, layout, backbone, parameters and what a file can start: safetensors, PyTorch (.pth, .pt) or npz,\n" +
        "told by its content. Nothing in it is ever run.",
    )
    .argument("<file>", "a file of weights")
    .option(...SECTION)
    .option("--keys", "list every name with its shape and its place in a CSRM network")
    .option(...JSON_OPTION)
    .action((path: string, { section, keys = false, json }: InspectOptions) => {
      using file = openTensorFile(path, { section });
      const report = weightsReport(file);
      if (json) printJson(report);
      else print(weightsText(report, keys));
    });
  registerConvert(weights);
  registerFetch(weights);
}

function registerConvert(weights: Command): void {
  weights
    .command("convert")
    .description("Writes weights as safetensors or as a PyTorch file, under the names of the network they are for.")
    .argument("<file>", "a file of weights of any readable kind")
    .requiredOption("--to <file>", "what to write: .safetensors, .pth or .pt")
    .addOption(new Option("--for <network>", "what the weights are for").choices(purposes))
    .option("--backbone <name>", "its backbone (default: what the names say)")
    .option("--classes <table>", "voc, coco, toy, or a file of lines `id name`: lets csrm use the result by itself")
    .option("--subset <names>", "only these classes, separated by commas, in the order of the table")
    .addOption(new Option("--output-stride <n>", "stride of the last map, with --classes").choices(["8", "16", "32"]))
    .addOption(new Option("--decoder-stride <n>", "stride of the segmentation, with --classes").choices(["4", "8"]))
    .option(...SECTION)
    .option("--allow-missing <pattern>", "names that may be missing, as a regular expression; repeatable", patterns)
    .option("--allow-unexpected <pattern>", "names that may be left out; repeatable", patterns)
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(convert);
}

async function convert(path: string, options: ConvertCommandOptions): Promise<void> {
  const { to, section, json } = options;
  const write = writerFor(to);
  if (resolve(to) === resolve(path)) throw expected("another file than the one to convert", "--to", to);
  using file = openTensorFile(path, { section });
  const converted = options.for === undefined ? plain(file, options) : fitted(file, options.for, options);
  const { tensors, metadata } = converted;
  const silent = extname(to) !== ".safetensors";
  const lost = silent ? statementsOf(metadata, path) : [];
  await writeFileAtomic(to, write(tensors, metadata));
  if (json) {
    printJson({ ...converted, metadata: silent ? {} : metadata, lost, tensors: tensors.size, file: to });
  } else {
    print(
      [
        `${to}: ${tensors.size} tensors${"layout" in converted ? ` of ${converted.backbone}` : ""}`,
        ...notes(converted, options.for),
      ].join("\n"),
    );
    if (lost.length > 0) createProgress().note(lostNote(lost, to));
  }
}

type Plain = { tensors: ReadonlyMap<string, StoredTensor>; metadata: Record<string, string> };
type Result = Plain | ReturnType<typeof convertWeights>;

/** Another format, the same names. */
function plain({ tensors, metadata }: TensorFile, options: ConvertCommandOptions): Plain {
  for (const key of [
    "backbone",
    "classes",
    "subset",
    "outputStride",
    "decoderStride",
    "allowMissing",
    "allowUnexpected",
  ] as const) {
    if (options[key] !== undefined)
      throw expected(
        "--for",
        `--${key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
        "none",
        "say what the weights are for",
      );
  }
  return { tensors, metadata };
}

function fitted(file: TensorFile, purpose: Purpose, options: ConvertCommandOptions): Result {
  const { backbone, subset, outputStride, decoderStride, allowMissing, allowUnexpected } = options;
  if (options.classes === undefined && subset !== undefined) throw expected("--classes", "--subset", "none");
  const table = options.classes === undefined ? undefined : loadClasses(options.classes);
  const classes =
    table && subset !== undefined
      ? subsetClasses(
          table,
          subset.split(",").map((name) => name.trim()),
        )
      : table;
  return convertWeights(file, {
    ...{ purpose, backbone, classes, allowMissing, allowUnexpected },
    outputStride: outputStride === undefined ? undefined : (Number(outputStride) as OutputStride),
    decoderStride: decoderStride === undefined ? undefined : (Number(decoderStride) as 4 | 8),
  });
}

/** What differs from the network; what a user let through is another thing than what makes no difference. */
function notes(converted: Result, purpose: Purpose | undefined): string[] {
  if (!("layout" in converted) || purpose === undefined) return [];
  const { missing, leftOver } = converted;
  const unneeded = missing.filter((key) => allowances[purpose].allowMissing.some((pattern) => pattern.test(key)));
  const needed = missing.filter((key) => !unneeded.includes(key));
  const list = (keys: string[]) =>
    `${keys.slice(0, 5).join(", ")}${keys.length > 5 ? ` and ${keys.length - 5} more` : ""}`;
  return [
    ...(unneeded.length > 0 ? [`missing, and not needed: ${list(unneeded)}`] : []),
    ...(needed.length > 0 ? [`missing, allowed: ${list(needed)}`] : []),
    ...(leftOver.length > 0 ? [`left out: ${list(leftOver)}`] : []),
  ];
}

function lostNote(lost: readonly Statement[], to: string): string {
  const short = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}...` : text);
  const all = lost.map(({ what, value }) => `${what} (${short(value)})`).join(", ");
  const keys = lost.flatMap(({ recipe }) => recipe ?? []);
  const fix = keys.length > 0 ? `; a recipe that starts from it must say so: ${keys.join(", ")}` : "";
  return `${to} cannot hold what the weights say about themselves: ${all}${fix}`;
}

function writerFor(to: string): (tensors: Plain["tensors"], metadata: Record<string, string>) => Uint8Array[] {
  const extension = extname(to);
  if (extension === ".safetensors") return encodeSafetensorsFile;
  if (extension === ".pth" || extension === ".pt") return encodeTorchFile;
  throw expected("a name that ends in .safetensors, .pth or .pt", "--to", to);
}

function patterns(text: string, before: RegExp[] = []): RegExp[] {
  try {
    return [...before, new RegExp(text)];
  } catch {
    throw new InvalidArgumentError("Expected a regular expression.");
  }
}
