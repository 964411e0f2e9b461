/**
 * Writes masks of a photograph: JSON as segment-anything's amg.py writes it with --convert-to-rle, or its folder of PNG files with
 * metadata.csv, which the public code for merging masks with labels reads. `src/refine/masks/mask-files.ts` reads both.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../files.ts";
import type { MaskSize } from "../../formats/coco-runs.ts";
import { encodeGrayPng } from "../../formats/indexed-png.ts";
import type { CocoRle } from "../../formats/rle.ts";
import { METADATA } from "../masks/mask-files.ts";
import type { Box } from "./crops.ts";
import { bytesOfRuns, packRuns } from "./mask-runs.ts";
import type { FoundMask } from "./point-masks.ts";

/** A mask as it stands in the JSON file. */
export interface MaskRecord {
  segmentation: CocoRle;
  /** In pixels. */
  area: number;
  /** x, y, width, height from the first to the last column and row, as the public code counts: one less than there are. */
  bbox: [number, number, number, number];
  predicted_iou: number;
  point_coords: [[x: number, y: number]];
  stability_score: number;
  crop_box: [number, number, number, number];
}

export function recordOf(mask: FoundMask, size: MaskSize): MaskRecord {
  return {
    segmentation: { size: [size.height, size.width], counts: packRuns(mask.runs, size) },
    area: mask.area,
    bbox: sides(mask.box),
    predicted_iou: mask.predictedIou,
    point_coords: [[mask.point[0], mask.point[1]]],
    stability_score: mask.stability,
    crop_box: sides(mask.crop),
  };
}

function sides([x0, y0, x1, y1]: Box): [number, number, number, number] {
  return [x0, y0, x1 - x0, y1 - y0];
}

/** Writes <file>: a JSON list of masks, one a line. */
export async function writeMaskFile(file: string, masks: readonly FoundMask[], size: MaskSize): Promise<void> {
  await writeMaskRecords(
    file,
    masks.map((mask) => recordOf(mask, size)),
  );
}

/** Writes <file>: a JSON list of masks, one a line; what they have beside their run lengths is up to the caller. */
export async function writeMaskRecords(file: string, records: readonly Pick<MaskRecord, "segmentation">[]) {
  const lines = records.map((record) => JSON.stringify(record));
  await writeFileAtomic(file, lines.length > 0 ? `[\n${lines.join(",\n")}\n]\n` : "[]\n");
}

const COLUMNS =
  "id,area,bbox_x0,bbox_y0,bbox_w,bbox_h,point_input_x,point_input_y,predicted_iou,stability_score," +
  "crop_box_x0,crop_box_y0,crop_box_w,crop_box_h";

/** Writes <folder>/0.png, 1.png, … (0 and 255) and metadata.csv, in place of what a folder of this name held. */
export async function writeMaskFolder(folder: string, masks: readonly FoundMask[], size: MaskSize): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const { width, height } = size;
  const rows = [COLUMNS];
  for (const [i, mask] of masks.entries()) {
    // One at a time: a mask of a large photograph takes as much memory as the photograph.
    await writeFileAtomic(
      join(folder, `${i}.png`),
      encodeGrayPng({ width, height, data: bytesOfRuns(mask.runs, size, 255) }),
    );
    const { area, bbox, point_coords, predicted_iou, stability_score, crop_box } = recordOf(mask, size);
    rows.push([i, area, ...bbox, ...point_coords[0], predicted_iou, stability_score, ...crop_box].join());
  }
  await writeFileAtomic(join(folder, METADATA), `${rows.join("\n")}\n`);
}
