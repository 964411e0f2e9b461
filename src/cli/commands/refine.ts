/** `csrm refine crf`: draws the outlines of finished label maps where the photographs have them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { readList } from "../../data/voc.ts";
import { createProgress, duration } from "../../progress.ts";
import { refineCrf } from "../../refine/crf-stage.ts";
import { setThreads } from "../../torch/index.ts";
import { type CrfOptions, crfSettings, withCrfOptions } from "../crf-options.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireOutside } from "../paths.ts";

interface RefineCrfOptions extends CrfOptions {
  images: string;
  labels: string;
  out: string;
  ids?: string;
  fresh?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm refine crf --images photos --labels masks/pseudo --out masks/refined
  csrm refine crf --images VOC2012/JPEGImages --labels pseudo --out pseudo-crf --crf-scale 0.5

Label maps are <id>.png of ids 0 to 254; 255 is unknown and gets one of the image's labels. The same command on the same --out goes on
where it stopped, and does label maps that have changed since anew.`;

export function register(program: Command): void {
  const refine = program.command("refine").description("Refines finished label maps.");
  const crf = refine
    .command("crf")
    .description("Refines label maps with a dense CRF: neighbours of like colour get like labels.")
    .requiredOption("--images <dir>", "folder of photographs")
    .requiredOption("--labels <dir>", "folder of label maps, <id>.png")
    .requiredOption("--out <dir>", "folder of the refined label maps: indexed PNG, VOC palette, the same ids")
    .option("--ids <file>", "list of image ids, one a line (default: every label map)");
  withCrfOptions(crf)
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: RefineCrfOptions) => {
      const { images, labels, out, fresh, json } = options;
      requireOutside(out, labels, "the labels'");
      requireOutside(out, images);
      const params = crfSettings(options);
      const ids =
        options.ids === undefined ? undefined : readList(options.ids, (id) => existsSync(join(labels, `${id}.png`)));
      const progress = createProgress();
      setThreads("auto");
      const work = () => refineCrf({ images, labels, out, ids, params, fresh, progress });
      const { dir, ids: done, resumed, seconds } = await interruptible(work, progress.note);
      const count = done.length;
      if (json) printJson({ out: dir, images: count, resumed, seconds, ...params });
      else print(`${dir}: ${count} label maps (${resumed} done before) in ${duration(seconds)}`);
    });
}
