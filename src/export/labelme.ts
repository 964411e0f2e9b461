/** Label maps as labelme's JSON, one file an image: every connected part of a class a polygon that can be corrected by hand. */
import { dirname, join, relative, resolve, sep } from "node:path";
import type { ClassTable } from "../data/types.ts";
import { writeFileAtomic } from "../files.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import type { Progress } from "../progress.ts";
import { isNewer, workThrough } from "../resumable.ts";
import { traceRings } from "./contours.ts";
import type { NamedLabels } from "./label-folder.ts";
import { findRegions } from "./regions.ts";

/** The version of labelme whose files these are like; it warns about files of another major version. */
const LABELME_VERSION = "5.5.0";

/** One polygon; labelme has no holes, so a ring goes into them and back the same way. */
export interface LabelmeShape {
  label: string;
  /** Corners x, y in pixels from the top left corner of the image. */
  points: [number, number][];
  group_id: null;
  description: "";
  shape_type: "polygon";
  flags: Record<string, never>;
  mask: null;
}

/** The polygons of one image; background and unknown pixels have none. @param map class indices, 255 = unknown */
export function labelmeShapes(map: LabelMap, classes: ClassTable): LabelmeShape[] {
  const found = findRegions(map, (index) => index > 0 && index < classes.ids.length);
  return traceRings(found).flatMap((rings, i) =>
    rings.map(
      (ring): LabelmeShape => ({
        label: classes.names[found.regions[i]!.label]!,
        points: Array.from({ length: ring.length / 2 }, (_, k) => [ring[2 * k]!, ring[2 * k + 1]!]),
        group_id: null,
        description: "",
        shape_type: "polygon",
        flags: {},
        mask: null,
      }),
    ),
  );
}

/**
 * Writes `<id>.json` of every label map that is missing in `out` or older than its label map. The image is named by its path
 * from there; labelme reads it itself (imageData is null).
 * @returns how many were there before
 * @throws CsrmError as NamedLabels.readIndices
 */
export async function exportLabelme(
  folder: NamedLabels,
  { out, progress }: { out: string; progress: Progress },
): Promise<number> {
  const target = (id: string) => resolve(join(out, `${id}.json`));
  return workThrough({
    items: folder.ids,
    isDone: (id) => isNewer(target(id), folder.file(id)),
    read: (id) => folder.readIndices(id),
    work(id, map) {
      const content = {
        version: LABELME_VERSION,
        flags: {},
        shapes: labelmeShapes(map, folder.classes),
        imagePath: relative(dirname(target(id)), folder.image(id))
          .split(sep)
          .join("/"),
        imageData: null,
        imageHeight: map.height,
        imageWidth: map.width,
      };
      return () => writeFileAtomic(target(id), `${JSON.stringify(content)}\n`);
    },
    progress,
    label: "labelme",
  });
}
