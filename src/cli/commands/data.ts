/** `csrm data toy|prepare|check`: makes data sets, looks a data set over before hours are spent on it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { checkDataset, type DatasetReport } from "../../data/check.ts";
import { type DatasetOptions, openDataset } from "../../data/dataset.ts";
import { generateToy } from "../../data/toy/index.ts";
import type { Dataset } from "../../data/types.ts";
import { CsrmError, expected } from "../../errors.ts";
import { throwIfInterrupted } from "../../interrupt.ts";
import { createProgress } from "../../progress.ts";
import { recipeSchema } from "../../training/config.ts";
import { maskFolder, openRecipeData } from "../../training/recipe-data.ts";
import { reportText } from "../check-report.ts";
import { registerPrepare } from "../data-prepare.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { type RecipeOptions, recipeFrom, wholeNumber, withRecipeOptions } from "../recipe-options.ts";

interface CheckOptions extends RecipeOptions {
  root?: string;
  layout: DatasetOptions["layout"];
  list?: string;
  tags: string;
  classes?: string;
  masks?: string;
  quick?: boolean;
  json?: boolean;
}

interface ToyOptions {
  out: string;
  train: number;
  val: number;
  size: number;
  seed: number;
  json?: boolean;
}

/** A list of images and the folder of its masks, where it has one. */
interface Part {
  dataset: Dataset;
  list: string | null;
  masks: string | undefined;
}

export function register(program: Command): void {
  const data = program
    .command("data")
    .description("Makes the toy data set, prepares published ones, checks data sets.");
  registerToy(data);
  registerPrepare(data);
  const check = data
    .command("check")
    .description(
      "Reads every image, tag and mask of a data set and tells what is wrong. Exit code 1 when something is. Lists of\n" +
        "VOC 2012 and COCO 2014 are compared with the published ones.\n" +
        "With --recipe: all lists of the recipe. Else --root, and what else describes the data set.",
    );
  withRecipeOptions(check)
    .option("--root <dir>", "the data set's folder")
    .addOption(
      new Option("--layout <layout>", "how the data lie")
        .choices(["voc", "coco", "folder", "toy"] as const)
        .default("folder"),
    )
    .option("--list <list>", "a list's name (voc, coco, toy) or a .txt file (default: every image)")
    .option("--tags <where>", "annotations, folders, none, a file or folder of tags as for csrm run, or auto", "auto")
    .option("--classes <table>", "voc, coco, toy, or a file of lines `id name` (default: by layout)")
    .option("--masks <dir>", "folder of masks to check as well")
    .option("--quick", "read only the headers of images")
    .option(...JSON_OPTION)
    .action(runCheck);
}

function registerToy(data: Command): void {
  const defaults = recipeSchema.parse({}).data.toy;
  data
    .command("toy")
    .description(
      "Draws scenes of textured creatures in VOC layout, with tags and exact masks. The same options give the same\n" +
        "pictures on every machine; a folder that holds them already is left as it is.",
    )
    .requiredOption("--out <dir>", "folder to be made")
    .option("--train <n>", "training images", wholeNumber(1), defaults.train)
    .option("--val <n>", "images held back for evaluation", wholeNumber(0), defaults.val)
    .option("--size <pixels>", "height and width of a scene", wholeNumber(32), defaults.size)
    .option("--seed <n>", "another seed, other scenes", wholeNumber(0), defaults.seed)
    .option(...JSON_OPTION)
    .action(runToy);
}

async function runToy({ out, train, val, size, seed, json }: ToyOptions): Promise<void> {
  using task = createProgress().task({ label: "toy scenes", total: train + val, unit: "image" });
  const onProgress = (done: number) => {
    task.update(done);
    throwIfInterrupted();
  };
  const work = () => generateToy({ out, seed, size, images: { train, val }, onProgress });
  const { made } = await interruptible(work);
  const root = resolve(out);
  if (json) printJson({ out: root, made, train, val, size, seed });
  else print(made ? `${train} + ${val} scenes in ${root}` : `${root} holds these scenes already`);
}

async function runCheck(options: CheckOptions): Promise<void> {
  const reports: DatasetReport[] = [];
  for (const { dataset, list, masks } of await parts(options)) {
    using task = createProgress().task({ label: dataset.name, total: dataset.samples.length, unit: "image" });
    const onProgress = (done: number) => task.update(done);
    const requireMasks = options.recipe !== undefined;
    reports.push(await checkDataset(dataset, { list, decode: !options.quick, masks, requireMasks, onProgress }));
  }
  if (options.json) printJson({ reports });
  else print(reports.map(reportText).join("\n\n"));
  if (reports.some((report) => report.problems > 0)) process.exitCode = 1;
}

async function parts(options: CheckOptions): Promise<Part[]> {
  const { root, layout, list, tags, classes, masks } = options;
  if (options.recipe !== undefined) {
    if (root !== undefined) throw new CsrmError("data check takes --recipe or --root, not both");
    return recipeParts({ ...options, recipe: options.recipe });
  }
  if (root === undefined) throw new CsrmError("data check needs --recipe or --root");
  if (masks !== undefined && !existsSync(masks))
    throw expected("a folder of masks", "--masks", masks, "no such folder");
  const dataset = await openDataset({ layout, root, list, tags, classes, missing: "keep" });
  return [{ dataset, list: list ?? null, masks: masks === undefined ? undefined : resolve(masks) }];
}

/** The training list, whose masks are nobody's business, then the lists that results are measured on. */
async function recipeParts(options: CheckOptions & { recipe: string }): Promise<Part[]> {
  const recipe = recipeFrom(options);
  const { train, score } = recipe.data.lists;
  const masks = options.masks === undefined ? maskFolder(recipe) : resolve(options.masks);
  if (score.length > 0 && !existsSync(masks)) {
    throw expected(
      "a folder of masks",
      options.masks === undefined ? "data.masks" : "--masks",
      masks,
      "no such folder",
    );
  }
  const open = (list: string | null) => openRecipeData(recipe, list, "keep");
  return [
    { dataset: await open(train), list: train, masks: undefined },
    ...(await Promise.all(score.map(async (list) => ({ dataset: await open(list), list, masks })))),
  ];
}
