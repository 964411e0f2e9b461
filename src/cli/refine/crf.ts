/** `csrm refine crf`: draws the outlines of finished label maps where the photographs have them. */
import type { Command } from "commander";
import { refineCrf } from "../../refine/crf-stage.ts";
import { type CrfOptions, crfSettings, withCrfOptions } from "../crf-options.ts";
import {
  FILES,
  type RefineFolderOptions,
  refineAndPrint,
  withFolderOptions,
  withLabels,
  withStrict,
} from "./folder.ts";

const EXAMPLES = `
Examples:
  csrm refine crf --images photos --labels masks/pseudo --out masks/refined
  csrm refine crf --images VOC2012/JPEGImages --labels pseudo --out pseudo-crf --crf-scale 0.5
  csrm refine crf --images photos --labels masks/pseudo --out masks/refined --shard 2/8
${FILES}
Unknown pixels get one of the image's labels.`;

export function registerCrf(refine: Command): void {
  const crf = refine
    .command("crf")
    .description("Refines label maps with a dense CRF: neighbours of like colour get like labels.")
    .requiredOption("--images <dir>", "folder of photographs");
  withFolderOptions(withStrict(withCrfOptions(withLabels(crf))))
    .addHelpText("after", EXAMPLES)
    .action(async (options: RefineFolderOptions & CrfOptions & { images: string }) => {
      const params = crfSettings(options);
      await refineAndPrint(options, (folder) => refineCrf({ ...folder, images: options.images, params }), params);
    });
}
