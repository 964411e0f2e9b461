/** `csrm propose`: masks of everything in photographs with Segment Anything, for refining labels or for annotators. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { openFolder } from "../../data/folder.ts";
import { CsrmError, expected } from "../../errors.ts";
import { readError } from "../../files.ts";
import { duration } from "../../progress.ts";
import { type MaskOptions, maskDefaults, maskRanges } from "../../refine/sam/options.ts";
import { type MaskFormat, type ProposeSummary, proposeMasks } from "../../refine/sam/propose-stage.ts";
import { assertShards, type Shard } from "../../shard.ts";
import { runtimeInfo, setThreads } from "../../torch/index.ts";
import { shardOf } from "../../world.ts";
import { numberIn } from "../arguments.ts";
import { deviceName, requireDevice } from "../device.ts";
import { interruptible } from "../interruptible.ts";
import { JSON_OPTION, print, printJson } from "../output.ts";
import { requireOutside } from "../paths.ts";
import { encoderPrecision, type PrecisionFlag, withPrecision } from "../sam-precision.ts";
import { deviceOf, shardOfCommand, shardProgress, threadsOf, withShard } from "../shards.ts";

interface ProposeCommandOptions {
  weights: string;
  images: string;
  out: string;
  ids?: string;
  format: MaskFormat;
  device: string;
  precision: PrecisionFlag;
  strict?: boolean;
  shard?: Shard;
  fresh?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  csrm weights fetch sam_vit_b
  csrm propose --weights sam_vit_b_01ec64.pth --images photos --out sam-masks
  csrm propose --weights sam_vit_h_4b8939.pth --images VOC2012/JPEGImages --out sam-masks --format png
  csrm propose --weights sam_vit_b_01ec64.pth --images photos --out sam-masks --shard 2/8

Writes OUT/<id>.json, a list of masks with COCO's run lengths as segment-anything's amg.py has it, or with --format png its folder
OUT/<id>/0.png, 1.png, … (0 and 255) with metadata.csv. Defaults are those of the public code. The same command on the same --out goes on
where it stopped and takes in new photographs. Shards may run at the same time or one after the other.`;

/** What each option does, as for MaskOptions. */
const DESCRIPTIONS: Record<keyof MaskOptions, string> = {
  points_per_side: "points along each side of the photograph that the network is asked about",
  points_per_batch: "points at once: more memory, the same masks",
  pred_iou_thresh: "least quality that the network expects of a mask",
  stability_score_thresh: "least share of a mask that stays when its threshold moves",
  stability_score_offset: "by how much the threshold moves",
  box_nms_thresh: "overlap of two boxes of which the better mask stays",
  crop_n_layers: "layers of crops that are searched too: 1 adds 4 crops, 2 adds 20",
  crop_nms_thresh: "the same overlap between crops",
  crop_overlap_ratio: "overlap of the first layer's crops, in shorter sides of the photograph",
  crop_n_points_downscale_factor: "by how much each layer has fewer points along a side",
  min_mask_region_area: "holes and islands of fewer pixels are removed",
};

export function register(program: Command): void {
  const command = program
    .command("propose")
    .description("Finds masks of everything in photographs with Segment Anything, without any tags or prompts.")
    .requiredOption("--weights <file>", "mobile_sam, sam_vit_b, _l or _h as published (csrm weights fetch gets one)")
    .requiredOption("--images <dir>", "folder of photographs")
    .requiredOption("--out <dir>", "folder for the masks")
    .option("--ids <file>", "list of image ids, one a line (default: every photograph)")
    .addOption(
      new Option("--format <kind>", "JSON with run lengths, folders of PNG files, or both")
        .choices(["json", "png", "both"])
        .default("json"),
    );
  for (const [name, description] of Object.entries(DESCRIPTIONS) as [keyof MaskOptions, string][]) {
    const { least, most, whole } = maskRanges[name];
    command.option(`${flagOf(name)} <n>`, description, numberIn({ least, most, whole }), maskDefaults[name]);
  }
  withShard(withPrecision(command.option("--device <device>", "cpu, cuda or cuda:N", deviceName, "cpu")))
    .option("--strict", "stop at a photograph that cannot be read instead of skipping it")
    .option("--fresh", "begin anew; results that are there are kept beside it")
    .option(...JSON_OPTION)
    .addHelpText("after", EXAMPLES)
    .action(async (options: ProposeCommandOptions) => {
      const result = await propose(options);
      if (options.json) printJson(result);
      else print(asText(result));
    });
}

function flagOf(name: keyof MaskOptions): string {
  return `--${name.replaceAll("_", "-")}`;
}

/** The options by their names of the public code, as commander has them in camelCase. */
function maskOptionsOf(options: object): MaskOptions {
  const given = options as Record<string, number>;
  const names = Object.keys(maskDefaults) as (keyof MaskOptions)[];
  const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(names.map((name) => [name, given[camel(name)]!])) as unknown as MaskOptions;
}

async function propose(options: ProposeCommandOptions): Promise<ProposeSummary> {
  const { weights, images, out, ids, format, precision, strict, fresh } = options;
  const world = shardOfCommand(options);
  const { shard } = world;
  const { cudaDevices } = runtimeInfo();
  const device = deviceOf(options.device, world, cudaDevices);
  requireDevice(device, cudaDevices);
  requireFolder(images);
  requireOutside(out, images);
  const { ids: wanted, files, missing } = openFolder(resolve(images), ids ?? null);
  if (missing.length > 0) {
    const message = `${ids} lists ${missing[0]}, which is not in ${images}${missing.length > 1 ? `; ${missing.length} are missing` : ""}`;
    throw new CsrmError(message, { code: "data" });
  }
  assertShards(shard, wanted.length, "photographs");
  const progress = shardProgress(shard);
  setThreads(threadsOf(world));
  return interruptible(
    () =>
      proposeMasks({
        samples: shardOf(wanted, shard).map((id) => ({ id, image: files.get(id)! })),
        masks: maskOptionsOf(options),
        precision: encoderPrecision(precision, device),
        ...{ weights, out, shard, format, device, strict, fresh, progress },
      }),
    progress.note,
  );
}

function requireFolder(images: string): void {
  const found = statSync(images, { throwIfNoEntry: false });
  if (!found) throw readError(images, Object.assign(new Error("no such folder"), { code: "ENOENT" }));
  if (!found.isDirectory()) throw expected("a folder of photographs", "--images", images);
}

function asText({ out, network, images, resumed, masks, skipped, times, seconds }: ProposeSummary): string {
  const now = images - resumed;
  const parts = Object.entries(times).map(([part, value]) => `${part} ${duration(value)}`);
  const lines = [`${out}: ${images} photographs (${resumed} done before) in ${duration(seconds)}`];
  if (now > 0) lines.push(`${network}: ${masks} masks, ${(masks / now).toFixed(1)} a photograph; ${parts.join(", ")}`);
  if (skipped.length > 0) lines.push(`skipped ${skipped.length} of ${images + skipped.length} photographs:`);
  return [...lines, ...skipped.map(({ reason }) => `  ${reason}`)].join("\n");
}
