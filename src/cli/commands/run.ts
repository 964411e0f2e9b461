/** `csrm run`: the whole pipeline of a recipe, or of one's own photographs. */
import path from "node:path";
import type { Command } from "commander";
import { FOLDERS } from "../../data/tag-source.ts";
import { CsrmError } from "../../errors.ts";
import { renderText } from "../../evaluation/table.ts";
import { runPipeline, type Summary } from "../../pipeline/run.ts";
import { duration } from "../../progress.ts";
import { type DryRunFlags, showDryRun, wantsDryRun, withDryRun } from "../dry-run.ts";
import { print, printJson } from "../output.ts";
import { type RunOptions, withRun, withRunOptions } from "../run-options.ts";

interface OwnDataOptions extends RunOptions {
  images?: string;
  tags?: string;
  weights?: string;
  classes?: string;
  start?: string;
}

const EXAMPLES = `
Examples:
  csrm run toy --out runs/toy
  csrm run voc12-animals-mobilenetv2 --out runs/animals
  csrm run voc12-animals-mobilenetv2 --dry-run        what it would do, and whether all is there
  csrm run voc12-animals-mobilenetv2 --start runs/animals/pretrain/model.safetensors --set contrast.weight=0 --out runs/no-contrast
  csrm run --images photos --tags tags.csv --weights mobilenet_v2.safetensors --out runs/mine
  csrm run --images photos --tags folders --weights mobilenet_v2.safetensors --out runs/mine

tags.csv has a header "image,tags" and a line an image, its tags apart by ";" or spaces. JSON: {"a.jpg": ["cat", …]}. --tags folders:
photos/cat/a.jpg shows a cat. Of annotations (labelme, CVAT, COCO, VOC) only the class names are read. Own images use the recipe "own" unless one
is named. OUT/report.html shows the result.`;

export function register(program: Command): void {
  const command = withRunOptions(
    program
      .command("run")
      .description(
        "Runs a recipe from images and tags to masks: start, CSRM, pseudo-labels, refinement, evaluation, report.",
      )
      .argument("[recipe]", "a YAML file, or the name of a built-in recipe")
      .option("--images <dir>", "own images: their folder")
      .option(
        "--tags <where>",
        "own images: their tags, as CSV, JSON, COCO, CVAT's XML, a folder of labelme's or VOC's annotations, or the word folders",
      )
      .option("--weights <file>", "ImageNet weights of the backbone (.safetensors, .pth, .npz)")
      .option(
        "--classes <file>",
        "own images: lines `id name` with 0 for the background (default: all tags that occur)",
      )
      .option("--start <file>", "start classifier of another run (default: one is trained first)"),
  );
  withDryRun(command)
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, options: OwnDataOptions & DryRunFlags) => {
      const recipe = name ?? (options.images ? "own" : undefined);
      if (recipe === undefined) {
        throw new CsrmError(
          "expected a recipe or --images DIR --tags WHERE, got neither; csrm run --help shows examples",
          { code: "expected" },
        );
      }
      const set = [...ownData(options), ...options.set];
      if (wantsDryRun(options)) return showDryRun(recipe, { ...options, set }, { training: "csrm", scored: true });
      const done = await withRun(recipe, { ...options, set }, async (run, progress) => ({
        summary: await runPipeline(run, progress, { start: options.start }),
        report: run.reportFile,
        out: run.path,
      }));
      if (!done?.summary) return;
      const { summary, report, out } = done;
      if (options.json) printJson({ ...summary, report });
      else print(asText(summary, { report, out }));
    });
}

/** Own images as overrides of a recipe. */
function ownData({ images, tags, weights, classes }: OwnDataOptions): string[] {
  if (images !== undefined && tags === undefined) {
    throw new CsrmError("expected --tags beside --images, got none; without tags there is nothing to learn from", {
      code: "expected",
    });
  }
  if (images !== undefined && weights === undefined) {
    throw new CsrmError(
      "expected --weights FILE beside --images, got none: a few hundred photographs do not teach a backbone from nothing. Any torchvision " +
        "MobileNetV2 trained on ImageNet serves, as .pth or .safetensors",
      { code: "expected" },
    );
  }
  const settings: Record<string, string | undefined> = {
    "data.root": images,
    "data.tags": tags,
    "data.classes": classes,
    "model.weights": weights,
  };
  return Object.entries(settings).flatMap(([key, value]) => {
    if (value === undefined) return [];
    const isWord = key === "data.tags" && value === FOLDERS;
    return [`${key}=${JSON.stringify(isWord ? value : path.resolve(value))}`];
  });
}

function asText(summary: Summary, { report, out }: { report: string; out: string }): string {
  const methods = Object.entries(summary).filter(([, value]) => typeof (value as { miou?: number }).miou === "number");
  const lists = [...new Set(methods.flatMap(([, value]) => Object.keys(value as object)))].filter(
    (key) => key !== "miou",
  );
  const figure = (value: unknown, list: string) => {
    const miou = (value as Record<string, number>)[list];
    return miou === undefined ? "" : (100 * miou).toFixed(1);
  };
  const rows = methods.map(([method, value]) => [method, ...lists.map((list) => figure(value, list))]);
  const table = rows.length > 0 ? `${renderText({ header: ["mIoU %", ...lists], rows })}\n\n` : "";
  return `${table}${duration(summary.seconds)} in all\nmasks: ${path.join(out, "refine", "csrm")}\nreport: ${report}`;
}
