/** `csrm refine regions`: label maps that follow regions of even colour, without any network. */
import { type Command, Option } from "commander";
import { colourRegions, refineByMasks } from "../../refine/masks/mask-stage.ts";
import { DEFAULT_REGIONS } from "../../refine/masks/regions.ts";
import { numberIn, numbersIn } from "../arguments.ts";
import { wholeNumber } from "../recipe-options.ts";
import {
  FILES,
  type RefineFolderOptions,
  refineAndPrint,
  withFolderOptions,
  withLabels,
  withStrict,
} from "./folder.ts";
import { type MergeFlags, mergeOptions, withMerge } from "./merge.ts";

interface RegionFlags extends MergeFlags {
  images: string;
  scales: number[];
  median: number;
  sigma: number;
  minSize: number;
  minSide: number;
  maxSide: number;
}

const EXAMPLES = `
Examples:
  csrm refine regions --images photos --labels masks/pseudo --out masks/regions
  csrm refine regions --images photos --labels masks/pseudo --out masks/regions --scales 100,300 --rule max_iou_imp2
  csrm refine crf --images photos --labels masks/regions --out masks/regions-crf      the dense CRF after it
${FILES}
Regions are segments of the photograph's colours (Felzenszwalb and Huttenlocher's graph segmentation) at several scales, texture taken
away before by a median filter. The settings are pixels and suit photographs of some 500, so that much smaller ones are enlarged before.`;

export function registerRegions(refine: Command): void {
  const regions = refine
    .command("regions")
    .description("Makes label maps follow regions of even colour: a region that a class fills goes to it.")
    .requiredOption("--images <dir>", "folder of photographs");
  withMerge(withLabels(regions))
    .addOption(
      new Option("--scales <numbers>", "scales of the segmentation; larger ones make larger regions")
        .default(DEFAULT_REGIONS.scales, DEFAULT_REGIONS.scales.join(","))
        .argParser(numbersIn({ least: 0, most: 1e9, open: true })),
    )
    .option(
      "--median <pixels>",
      "side of the square whose median replaces each pixel before: odd, 1 to 99; 1: none",
      wholeNumber(1),
      DEFAULT_REGIONS.median,
    )
    .option("--sigma <pixels>", "smoothing after that", numberIn({ least: 0, most: 20 }), DEFAULT_REGIONS.sigma)
    .option("--min-size <pixels>", "the smallest region", wholeNumber(1), DEFAULT_REGIONS.min_size)
    .option(
      "--min-side <pixels>",
      "smaller photographs are segmented enlarged to this size",
      wholeNumber(1),
      DEFAULT_REGIONS.min_side,
    )
    .option(
      "--max-side <pixels>",
      "larger photographs are segmented at this size",
      wholeNumber(2),
      DEFAULT_REGIONS.max_side,
    );
  withFolderOptions(withStrict(regions))
    .addHelpText("after", EXAMPLES)
    .action(async (options: RefineFolderOptions & RegionFlags) => {
      const { images, scales, median, sigma, minSize, minSide, maxSide } = options;
      const settings = { scales, median, sigma, min_size: minSize, min_side: minSide, max_side: maxSide };
      const merge = mergeOptions(options);
      const source = colourRegions(images, settings);
      await refineAndPrint(options, (folder) => refineByMasks({ ...folder, source, merge }), { ...settings, ...merge });
    });
}
