/**
 * Label maps as one JSON file of COCO's instances: every connected part of a class (or every class of an image) an
 * annotation, as a run-length encoded mask or as polygons along the edges of pixels. Both hold the mask exactly.
 */
import { relative, sep } from "node:path";
import type { ClassTable } from "../data/types.ts";
import { packageVersion } from "../environment.ts";
import { writeFileAtomic } from "../files.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import { type CocoRle, encodeRle, rleToString } from "../formats/rle.ts";
import type { Progress } from "../progress.ts";
import { workThrough } from "../resumable.ts";
import { type Ring, traceRings } from "./contours.ts";
import type { NamedLabels } from "./label-folder.ts";
import { findRegions } from "./regions.ts";

export interface CocoOptions {
  /** Default "rle". Polygons: one ring a connected part, which goes into its holes and back the same way. */
  shapes?: "rle" | "polygons";
  /** One annotation a class and image instead of one a connected part. */
  merge?: boolean;
}

/** What COCO knows of one mask. */
export interface CocoMask {
  /** The class's id in label maps. */
  category_id: number;
  segmentation: CocoRle | Ring[];
  /** Pixels. */
  area: number;
  /** x, y, width and height in pixels. */
  bbox: [number, number, number, number];
  iscrowd: 0;
}

/**
 * The annotations of one image; background and unknown pixels have none.
 * @param map class indices of the table, 255 = unknown
 */
export function cocoMasks(map: LabelMap, classes: ClassTable, options: CocoOptions = {}): CocoMask[] {
  const { shapes = "rle", merge = false } = options;
  const found = findRegions(map, (index) => index > 0 && index < classes.ids.length, merge);
  const rings = shapes === "polygons" ? traceRings(found) : [];
  const plane = { data: found.ids, width: map.width, height: map.height };
  return found.regions.map(({ id, label, area, box }, i): CocoMask => {
    const rle = (): CocoRle => ({
      size: [map.height, map.width],
      counts: rleToString(encodeRle(plane, { value: id, box })),
    });
    return {
      category_id: classes.ids[label]!,
      segmentation: shapes === "polygons" ? rings[i]! : rle(),
      area,
      bbox: [box.x, box.y, box.width, box.height],
      iscrowd: 0,
    };
  });
}

/**
 * Writes all label maps into one file, whole or not at all. Images and annotations are numbered from 1 in the order of
 * the label maps; an image's file_name is its path below the folder of photographs.
 * @returns how many annotations it has
 * @throws CsrmError as NamedLabels.readIndices and writeFileAtomic
 */
export async function exportCoco(
  folder: NamedLabels,
  { out, progress, ...options }: CocoOptions & { out: string; progress: Progress },
): Promise<number> {
  const { classes, ids } = folder;
  const images: string[] = [];
  const annotations: string[] = [];
  await workThrough({
    items: ids,
    isDone: async () => false,
    read: (id) => folder.readIndices(id),
    work(id, map) {
      const name = relative(folder.images, folder.image(id)).split(sep).join("/");
      images.push(line({ id: images.length + 1, file_name: name, width: map.width, height: map.height }));
      for (const mask of cocoMasks(map, classes, options)) {
        annotations.push(line({ id: annotations.length + 1, image_id: images.length, ...mask }));
      }
      return async () => {};
    },
    progress,
    label: "COCO",
  });
  const categories = classes.ids.slice(1).map((id, k) => line({ id, name: classes.names[k + 1], supercategory: "" }));
  const info = line({ description: `csrm ${packageVersion()}` });
  // Line by line: as one text a large set is longer than a text may be.
  const piece = (text: string) => Buffer.from(text, "utf8");
  const list = (lines: string[]) => lines.map((each, i) => piece(`${each}${i + 1 < lines.length ? "," : ""}\n`));
  await writeFileAtomic(out, [
    piece(`{"info": ${info}, "licenses": [],\n"categories": [\n`),
    ...list(categories),
    piece('],\n"images": [\n'),
    ...list(images),
    piece('],\n"annotations": [\n'),
    ...list(annotations),
    piece("]}\n"),
  ]);
  return annotations.length;
}

function line(value: object): string {
  return JSON.stringify(value);
}
