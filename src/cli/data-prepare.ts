/** `csrm data prepare voc12|coco14`: from unpacked official archives to folders that every other command reads. */
import type { Command } from "commander";
import { prepareCoco14 } from "../data/prepare/coco14.ts";
import type { Prepared, PrepareOptions } from "../data/prepare/prepared.ts";
import { prepareVoc12 } from "../data/prepare/voc12.ts";
import { createProgress } from "../progress.ts";
import { interruptible } from "./interruptible.ts";
import { JSON_OPTION, print, printJson } from "./output.ts";

interface Options {
  from: string;
  out: string;
  sbd?: string;
  copy?: boolean;
  fresh?: boolean;
  json?: boolean;
}

const VOC_EXAMPLES = `
Examples:
  csrm data prepare voc12 --from ~/archives --out data/voc12
  csrm data prepare voc12 --from ~/VOCdevkit/VOC2012 --sbd ~/benchmark_RELEASE/dataset --out data/voc12
  csrm data check --root data/voc12 --layout voc --list train_aug --masks data/voc12/SegmentationClassAug

Nothing is downloaded. --from holds what these unpack to:
  VOCtrainval_11-May-2012.tar   VOCdevkit/VOC2012: photographs, masks, Annotations
  benchmark.tgz (SBD)           benchmark_RELEASE/dataset: 9,000 more masks, for the lists train_aug and trainval_aug
  VOC2012test.tar               VOCdevkit/VOC2012: the photographs of the list test
The last two may be missing; the lists that need them are then left out. Image-level tags (tags.csv) are derived from the Annotations and,
for images without one, from the classes in their mask. Photographs and VOC's own masks are hard links to the originals (copies with
--copy and where links are impossible), so do not edit them in place. The same command on the same --out goes on where it stopped.`;

const COCO_EXAMPLES = `
Examples:
  csrm data prepare coco14 --from ~/coco --out data/coco14
  csrm data check --root data/coco14 --layout coco --list val2014 --masks data/coco14/SegmentationClass

Nothing is downloaded. --from holds what these unpack to; a split that lacks one of its two is left out:
  train2014.zip, val2014.zip       train2014, val2014: photographs
  annotations_trainval2014.zip     annotations/instances_train2014.json, instances_val2014.json
Masks hold 0 for background, 1 to 80 for COCO's classes in order, 255 where only a crowd is. Smaller objects lie over larger ones. Tags
are the classes of all annotated objects, crowds included. Photographs are hard links to the originals (copies with --copy and where
links are impossible), so do not edit them in place. The same command on the same --out goes on where it stopped.`;

/** Adds `prepare` to the command `data`. */
export function registerPrepare(data: Command): void {
  const prepare = data
    .command("prepare")
    .description("Makes published data sets usable, from their official archives, which you unpack yourself.");
  const voc12 = prepare
    .command("voc12")
    .description("Pascal VOC 2012 and SBD: one folder in VOC layout with all masks, lists and tags.")
    .option("--sbd <dir>", "SBD's benchmark_RELEASE/dataset (default: looked for in --from and beside VOCdevkit)");
  withPrepareOptions(voc12, VOC_EXAMPLES, prepareVoc12);
  const coco14 = prepare
    .command("coco14")
    .description("COCO 2014: one folder in VOC layout with masks of the 80 classes, lists and tags.");
  withPrepareOptions(coco14, COCO_EXAMPLES, prepareCoco14);
}

function withPrepareOptions(
  command: Command,
  examples: string,
  work: (options: PrepareOptions & { sbd?: string }) => Promise<Prepared>,
): void {
  command
    .requiredOption("--from <dir>", "folder in which the archives were unpacked; nothing in it is changed")
    .requiredOption("--out <dir>", "folder to be made")
    .option("--copy", "copy photographs instead of linking to them")
    .option("--fresh", "begin anew; what is there is kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", examples)
    .action(async ({ json, ...options }: Options) => {
      const progress = createProgress();
      const prepared = await interruptible(() => work({ ...options, progress }), progress.note);
      if (json) printJson(prepared);
      else print(preparedText(prepared));
    });
}

function preparedText({ out, images, resumed, files, lists, tags, notes }: Prepared): string {
  const placed = [
    ...(files.linked > 0 ? [`${files.linked} files linked`] : []),
    ...(files.copied > 0 ? [`${files.copied} files copied`] : []),
  ];
  const sources = Object.entries(tags).map(([source, count]) => `${count} from ${source}`);
  return [
    `${out}: ${images} images (${[`${resumed} done before`, ...placed].join(", ")})`,
    ...lists.map(({ name, images, official }) => {
      const same = official === images ? "complete" : `official: ${official}`;
      return `  list ${name}: ${images} images${official === undefined ? "" : ` (${same})`}`;
    }),
    `  tags.csv: ${sources.join(", ")}`,
    ...notes.map((note) => `  note: ${note}`),
  ].join("\n");
}
