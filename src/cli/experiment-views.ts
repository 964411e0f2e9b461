/** The parts of `csrm experiment` that only look at runs: threshold, compare, qualitative. */
import type { Command } from "commander";
import { Option } from "commander";
import { expected } from "../errors.ts";
import { renderText } from "../evaluation/table.ts";
import { classTable, compare, comparisonTable, MEASURED, unlikeText } from "../experiments/compare.ts";
import { published } from "../experiments/published.ts";
import { qualitative } from "../experiments/qualitative.ts";
import { subjectsOf } from "../experiments/subjects.ts";
import { thresholdCurves, thresholdTable } from "../experiments/threshold.ts";
import { writeComparison, writePictures, writeThresholds } from "../experiments/write-views.ts";
import { wordsIn } from "./arguments.ts";
import { JSON_OPTION, print, printJson } from "./output.ts";
import { wholeNumber } from "./recipe-options.ts";

interface ViewOptions {
  out: string;
  list?: string;
  methods?: string[];
  json?: boolean;
}

const PATHS = [
  "<paths...>",
  "run folders, experiments or evaluation files; LABEL=PATH names one, and what is given the same label is taken for seeds of one thing",
] as const;

const THRESHOLD = `
Examples:
  csrm experiment threshold runs/rs101 runs/rs269 --methods csrm_cam,csrm --list val
  csrm experiment threshold animals=runs/animals-0 animals=runs/animals-1 --methods start,csrm     two seeds of one thing
  csrm experiment threshold experiments/animals --methods start,csrm_cam                           all rows of an experiment`;

const COMPARE = `
Examples:
  csrm experiment compare runs/rs101 runs/rs269 --methods csrm_crf --published voc12
  csrm experiment compare ours=runs/a/evaluate/val-csrm.json theirs=val.json --json

Figures from the paper are of networks trained and measured on the full data sets by their authors; they are marked, and have columns
of their own.`;

const QUALITATIVE = `
Examples:
  csrm experiment qualitative --runs runs/a runs/b --list val --rows 4
  csrm experiment qualitative --runs before=runs/a after=runs/b --methods csrm --ids 2007_000033,2007_000123
  csrm experiment qualitative --runs runs/a --methods start,csrm,csrm_crf --out pictures`;

function withViewOptions(command: Command, name: string): Command {
  return command
    .argument(...PATHS)
    .option(
      "--methods <keys>",
      "only these methods, as in RUN/evaluate/LIST-METHOD.json, e.g. start,csrm,csrm_crf",
      wordsIn,
    )
    .option("--out <dir>", "folder for table and figure", `experiments/${name}`)
    .option(...JSON_OPTION);
}

export function registerThreshold(group: Command): void {
  withViewOptions(
    group.command("threshold").description("Figure 2: mean IoU over the threshold, methods side by side."),
    "threshold",
  )
    .option("--list <name>", "the list of images (default: the first with sweeps, training images first)")
    .addHelpText("after", THRESHOLD)
    .action(async (paths: string[], { out, list, methods, json }: ViewOptions) => {
      const thresholds = thresholdCurves(subjectsOf(paths, methods), list);
      const files = await writeThresholds(out, thresholds);
      if (json) printJson({ ...thresholds, files });
      else print([renderText(thresholdTable(thresholds)), files.join("\n")].join("\n\n"));
    });
}

export function registerCompare(group: Command): void {
  withViewOptions(
    group.command("compare").description("Tables 3 to 5: runs side by side, in the mean and by class."),
    "compare",
  )
    .addOption(
      new Option("--published <data set>", "also what the paper prints, marked so").choices(Object.keys(published)),
    )
    .addHelpText("after", COMPARE)
    .action(async (paths: string[], options: ViewOptions & { published?: keyof typeof published }) => {
      const { out, methods, json } = options;
      const paper = options.published === undefined ? null : published[options.published];
      const comparison = compare(subjectsOf(paths, methods), paper);
      const files = await writeComparison(out, comparison);
      if (json) {
        const rows = comparison.rows.map((row) => ({ ...row, figures: Object.fromEntries(row.figures) }));
        return void printJson({ ...comparison, rows, files });
      }
      const classes = comparison.byClass.map((each) => {
        const own = { ...each, methods: each.methods.filter(({ from }) => from === MEASURED) };
        return `IoU by class on ${each.split}, %\n${renderText(classTable(own))}`;
      });
      const note = [unlikeText(comparison)].filter(Boolean);
      print([`mIoU %\n${renderText(comparisonTable(comparison))}`, ...note, ...classes, files.join("\n")].join("\n\n"));
    });
}

export function registerQualitative(group: Command): void {
  group
    .command("qualitative")
    .description("Figures 3 to 5: photograph, ground truth and what each run makes of it, side by side.")
    .requiredOption("--runs <paths...>", PATHS[1])
    .option("--methods <keys>", "whose masks, as in RUN/evaluate/LIST-METHOD.json (default: csrm_crf)", wordsIn, [
      "csrm_crf",
    ])
    .option("--list <name>", "the list of images (default: the last that all have, training images first)")
    .option(
      "--ids <names>",
      "these images, separated by commas (default: --rows of them, evenly spaced by name)",
      wordsIn,
    )
    .option("--rows <n>", "rows of pictures", wholeNumber(1), 6)
    .option("--out <dir>", "folder for pictures.png and pictures.html", "experiments/qualitative")
    .option(...JSON_OPTION)
    .addHelpText("after", QUALITATIVE)
    .action(async (options: ViewOptions & { runs: string[]; ids?: string[]; rows: number }) => {
      const { out, runs, methods, list, ids, rows, json } = options;
      const gallery = await qualitative({ subjects: subjectsOf(runs, methods), split: list, ids, rows });
      if (gallery.rows.length === 0) throw expected("images that all have predictions of", "--runs", runs);
      const files = await writePictures(out, gallery);
      const shown = gallery.rows.map(({ id }) => id);
      if (json) printJson({ list: gallery.title, columns: gallery.titles, ids: shown, files });
      else print(`${gallery.titles.join(" | ")}\n${shown.join("\n")}\n\n${files.join("\n")}`);
    });
}
