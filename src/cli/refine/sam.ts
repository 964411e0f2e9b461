/** `csrm refine sam`: label maps that follow masks of Segment Anything, or any masks that lie in a folder. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { imagesOf, labelIds } from "../../data/label-files.ts";
import { expected } from "../../errors.ts";
import { refineByMasks, storedMasks } from "../../refine/masks/mask-stage.ts";
import type { FolderOptions } from "../../refine/refine-folder.ts";
import { maskDefaults } from "../../refine/sam/options.ts";
import { proposeMasks } from "../../refine/sam/propose-stage.ts";
import { runtimeInfo } from "../../torch/index.ts";
import { deviceName, requireDevice } from "../device.ts";
import { requireOutside } from "../paths.ts";
import { encoderPrecision, type PrecisionFlag, withPrecision } from "../sam-precision.ts";
import { deviceOf, shardOfCommand } from "../shards.ts";
import { FILES, type RefineFolderOptions, refineAndPrint, withFolderOptions, withLabels } from "./folder.ts";
import { type MergeFlags, mergeOptions, withMerge } from "./merge.ts";

interface SamFlags extends MergeFlags {
  masks?: string;
  weights?: string;
  device: string;
  precision: PrecisionFlag;
}

const EXAMPLES = `
Examples:
  csrm refine sam --images photos --labels masks/pseudo --out masks/sam --weights sam_vit_b_01ec64.pth
  csrm refine sam --labels masks/pseudo --out masks/sam --masks sam-masks                 masks that are there already
  csrm refine sam --labels masks/pseudo --out masks/sepl --masks sam-masks --rule max_iou_imp2     as the paper
  csrm refine crf --images photos --labels masks/sam --out masks/sam-crf                  the dense CRF after it
${FILES}
With --weights masks are first made with the public code's defaults and kept beside --out, in OUT-masks or in --masks; csrm propose
makes them with other options. A folder of masks holds for every label map <id>.json (COCO's run lengths) or <id>/*.png (255 inside).`;

export function registerSam(refine: Command): void {
  const sam = refine
    .command("sam")
    .description("Makes label maps follow the outlines of objects: a mask that a class fills goes to it (SEPL).")
    .option("--images <dir>", "folder of photographs, for --weights")
    .option("--weights <file>", "mobile_sam, sam_vit_b, _l or _h as published (csrm weights fetch gets one)")
    .option("--masks <dir>", "folder of masks (default with --weights: OUT-masks)");
  withPrecision(withMerge(withLabels(sam)).option("--device <device>", "cpu, cuda or cuda:N", deviceName, "cpu"));
  withFolderOptions(sam)
    .addHelpText("after", EXAMPLES)
    .action(async (options: RefineFolderOptions & SamFlags) => {
      const { weights } = options;
      const masks = masksFolder(options);
      const merge = mergeOptions(options);
      const work = async (folder: FolderOptions) => {
        if (weights !== undefined) await makeMasks({ ...options, weights, masks }, folder);
        return refineByMasks({ ...folder, source: storedMasks(masks), merge });
      };
      await refineAndPrint(options, work, { masks, ...merge });
    });
}

/** @throws CsrmError when there is neither a folder of masks nor what is needed to make one */
function masksFolder({ masks, weights, images, out, labels }: RefineFolderOptions & SamFlags): string {
  if (weights === undefined && masks === undefined) {
    const fix = "--masks names a folder of masks, --weights a file of Segment Anything that makes them";
    throw expected("--masks or --weights", "csrm refine sam", undefined, fix);
  }
  if (weights !== undefined && images === undefined) {
    throw expected("--images", "csrm refine sam --weights", undefined, "it names the folder of photographs");
  }
  const folder = masks ?? `${resolve(out)}-masks`;
  requireOutside(folder, labels, "the labels'");
  requireOutside(folder, out, "the refined labels'");
  return folder;
}

/** The masks of the photographs that this process refines; those that are there stay. */
async function makeMasks(
  options: SamFlags & RefineFolderOptions & { weights: string; masks: string },
  { ids = labelIds(options.labels), progress, shard }: FolderOptions,
): Promise<void> {
  const { weights, masks, precision } = options;
  const { cudaDevices } = runtimeInfo();
  const device = deviceOf(options.device, shardOfCommand(options), cudaDevices);
  requireDevice(device, cudaDevices);
  const files = imagesOf(options.images!, ids);
  await proposeMasks({
    samples: ids.map((id) => ({ id, image: files.get(id)! })),
    masks: maskDefaults,
    precision: encoderPrecision(precision, device),
    strict: true,
    format: "json",
    out: masks,
    ...{ weights, device, progress, shard },
  });
}
