/** `csrm export`: finished label maps in the forms that other programs read. */
import { existsSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { loadClasses } from "../../data/classes.ts";
import { imagesOf } from "../../data/label-files.ts";
import type { ClassTable } from "../../data/types.ts";
import { readList } from "../../data/voc.ts";
import { CsrmError, expected } from "../../errors.ts";
import { type CocoOptions, exportCoco } from "../../export/coco.ts";
import { exportIndexed } from "../../export/indexed.ts";
import { type LabelFolder, nameLabels, openLabels } from "../../export/label-folder.ts";
import { exportLabelme } from "../../export/labelme.ts";
import { createProgress, duration, type Progress } from "../../progress.ts";
import { openStamped, stampOf } from "../../stamped-folder.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { writeOverlays } from "../overlays.ts";
import { requireFile, requireOutside } from "../paths.ts";

const FORMS = ["indexed", "overlay", "coco", "labelme"] as const;

export interface ExportOptions extends CocoOptions {
  labels: string;
  to: (typeof FORMS)[number];
  out: string;
  images?: string;
  classes?: string;
  toClasses?: string;
  ids?: string;
  fresh?: boolean;
  json?: boolean;
}

/** What --json prints. */
export interface ExportResult {
  to: (typeof FORMS)[number];
  out: string;
  images: number;
  /** How many of them had been written before; 0 for COCO's one file. */
  resumed: number;
  /** COCO only. */
  annotations?: number;
  seconds: number;
}

const EXAMPLES = `
Examples:
  csrm export --labels runs/mine/refine/csrm/all --images photos --classes runs/mine/train/model.safetensors --to coco --out masks.json
  csrm export --labels masks/pseudo-crf --images photos --classes voc --to labelme --out labelme
  csrm export --labels masks/pseudo --images photos --to overlay --out overlays
  csrm export --labels masks/pseudo --classes voc --to-classes mine.txt --to indexed --out renumbered

indexed: <id>.png, VOC palette, with --to-classes the ids of another table, matched by name. overlay: <id>.jpg, colours over photographs.
coco: one JSON file; a mask a connected part of a class, or with --merge a class; category ids are those of the label maps. labelme: <id>.json,
a polygon a connected part, to be opened with labelme's own output option. Unknown pixels (255) are exported to indexed alone.`;

export function register(program: Command): void {
  program
    .command("export")
    .description("Writes finished label maps as other programs read them.")
    .requiredOption("--labels <dir>", "folder of label maps, <id>.png")
    .addOption(new Option("--to <form>", "what to write").choices(FORMS).makeOptionMandatory())
    .requiredOption("--out <path>", "folder of the results; for coco the JSON file")
    .option("--images <dir>", "folder of the photographs (overlay, coco, labelme)")
    .option(
      "--classes <table>",
      "what the ids of the label maps mean: voc, coco, toy, a file of lines `id name`, or the network (model.safetensors) that made them",
    )
    .option("--to-classes <table>", "indexed: the table whose ids to write, classes matched by name")
    .option("--ids <file>", "list of image ids, one a line (default: every label map)")
    .addOption(
      new Option("--shapes <shapes>", "coco: masks as rle or polygons (default: rle)").choices(["rle", "polygons"]),
    )
    .option("--merge", "coco: one annotation a class and image, not one a connected part")
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: ExportOptions) => {
      const progress = createProgress();
      const result = await interruptible(() => exportLabels(options, progress), progress.note);
      if (options.json) printJson(result);
      else print(asText(result));
    });
}

/** Exports as the command's options say. */
export async function exportLabels(options: ExportOptions, progress: Progress): Promise<ExportResult> {
  const started = performance.now();
  refuseForeign(options);
  const { to, labels, images } = options;
  const out = resolve(options.out);
  const ids =
    options.ids === undefined ? undefined : readList(options.ids, (id) => existsSync(join(labels, `${id}.png`)));
  const folder = openLabels(labels, ids);
  if (to === "coco") requireFile(out, ".json", [options.classes, options.ids]);
  else {
    requireOutside(out, folder.dir, "the labels'");
    if (images !== undefined) requireOutside(out, images);
  }
  const done = await write({ options, out, folder, progress });
  return { to, out, images: folder.ids.length, ...done, seconds: (performance.now() - started) / 1000 };
}

interface Work {
  options: ExportOptions;
  out: string;
  folder: LabelFolder;
  progress: Progress;
}

async function write({ options, out, folder, progress }: Work): Promise<{ resumed: number; annotations?: number }> {
  const { to, fresh, shapes, merge } = options;
  const table = options.classes === undefined ? null : await classTable(options.classes);
  const stamp = (settings: object) =>
    openStamped(out, { export: to, labels: stampOf(folder.dir), ...settings }, { fresh, note: progress.note });
  if (to === "indexed") {
    const target = options.toClasses === undefined ? null : await classTable(options.toClasses);
    const renumber = table === null ? null : { from: table, to: target ?? table };
    stamp({ classes: table, to_classes: target });
    return { resumed: await exportIndexed(folder, { out, renumber, progress }) };
  }
  if (to === "overlay") {
    const files = imagesOf(imagesFolder(options), folder.ids);
    stamp({});
    const samples = folder.ids.map((id) => ({ id, image: files.get(id)! }));
    return { resumed: await writeOverlays({ samples, labels: folder.dir, out, progress }) };
  }
  if (table === null) throw missing("classes", to);
  const named = nameLabels(folder, { classes: table, images: imagesFolder(options) });
  if (to === "coco") return { resumed: 0, annotations: await exportCoco(named, { out, shapes, merge, progress }) };
  stamp({ classes: table });
  return { resumed: await exportLabelme(named, { out, progress }) };
}

/** Options that mean nothing for a form would otherwise be passed over in silence. */
function refuseForeign(options: ExportOptions): void {
  const only = { toClasses: ["indexed"], shapes: ["coco"], merge: ["coco"] } as const;
  for (const [key, forms] of Object.entries(only)) {
    const given = options[key as keyof typeof only] !== undefined;
    if (!given || (forms as readonly string[]).includes(options.to)) continue;
    const name = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new CsrmError(`--${name} is for --to ${forms.join(" and ")}, not for ${options.to}`, { code: "expected" });
  }
  if (options.toClasses !== undefined && options.classes === undefined) throw missing("classes", "--to-classes");
  if (options.to === "overlay" && options.classes !== undefined) {
    throw new CsrmError("--classes is not for --to overlay: colours follow the ids alone", { code: "expected" });
  }
}

function imagesFolder({ images, to }: ExportOptions): string {
  if (images === undefined) throw missing("images", to);
  return images;
}

function missing(option: "images" | "classes", use: string): CsrmError {
  const what = option === "images" ? "the folder of the photographs" : "the names of the classes";
  return expected(`${what} (--${option})`, use, undefined);
}

/** A class table by name or file, or that of a network. */
async function classTable(source: string): Promise<ClassTable> {
  if (extname(source) !== ".safetensors") return loadClasses(source);
  // Only a network needs libtorch.
  const { modelInfo } = await import("../../models/model-file.ts");
  return modelInfo(source).classes;
}

function asText({ to, out, images, resumed, annotations, seconds }: ExportResult): string {
  const what = to === "coco" ? `${annotations} masks of ${images} images` : `${images} images (${resumed} done before)`;
  return `${out}: ${what} in ${duration(seconds)}`;
}
