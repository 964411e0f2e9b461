/** Regions of even colour of photographs, kept as files of masks: where several label maps of a photograph are to follow them. */
import { join, resolve } from "node:path";
import { decodeImage, imageSize } from "../../data/image.ts";
import { naming } from "../../errors.ts";
import type { MaskSize, Runs } from "../../formats/coco-runs.ts";
import type { CocoRle } from "../../formats/rle.ts";
import { type Progress, silentProgress } from "../../progress.ts";
import { isNewer, workThrough } from "../../resumable.ts";
import { openStamped } from "../../stamped-folder.ts";
import { sidePlan } from "../photographs.ts";
import { writeMaskRecords } from "../sam/mask-file.ts";
import { packRuns } from "../sam/mask-runs.ts";
import { assertRegionSettings, type RegionSettings, regionProposals, regionSides } from "./regions.ts";

export interface RegionStageOptions {
  /** Photographs by id. */
  samples: readonly { id: string; image: string }[];
  /** Gets <id>.json, masks of the photograph's size as COCO's run lengths. */
  out: string;
  settings: RegionSettings;
  /** The photographs' data set: other photographs may have the same ids. */
  data: string;
  /** What to do about regions in `out` of other settings or another data set. */
  advice: string;
  progress?: Progress;
  /** What the progress calls it (default "regions"). */
  label?: string;
}

/**
 * Writes the regions of all photographs; those done before with the same settings, and not changed since, stay. Several processes may do
 * so in one folder: they write the same.
 * @throws CsrmError naming a setting out of range, or a photograph that cannot be decoded; for regions of other settings, or of another
 *   data set, in `out`; InterruptedError between two photographs
 */
export async function writeRegions(options: RegionStageOptions): Promise<void> {
  const { samples, settings, data, advice, progress = silentProgress, label = "regions" } = options;
  assertRegionSettings(settings);
  const out = resolve(options.out);
  openStamped(out, { data, ...settings }, { advice });
  const fileOf = (id: string) => join(out, `${id}.json`);
  await workThrough({
    items: samples,
    isDone: ({ id, image }) => isNewer(fileOf(id), image),
    async read({ image }) {
      const size = await imageSize(image);
      return { size, picture: await decodeImage(image, sidePlan(size, regionSides(settings))) };
    },
    work({ id, image }, { picture, size }) {
      const masks = naming(`image ${image}`, () => regionProposals(picture, settings, size));
      return () => writeMaskRecords(fileOf(id), recordsOf(masks, size));
    },
    progress,
    label,
  });
}

function recordsOf(masks: readonly Runs[], size: MaskSize): { segmentation: CocoRle }[] {
  const { width, height } = size;
  return masks.map((runs) => ({ segmentation: { size: [height, width], counts: packRuns(runs, size) } }));
}
