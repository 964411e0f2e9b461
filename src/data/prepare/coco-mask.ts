/**
 * One mask of an image from the objects that COCO annotates in it. Draws pixel annotations, for `csrm data prepare` only:
 * nothing that trains may import this file.
 */

import { expected } from "../../errors.ts";
import { runsOfPolygon } from "../../formats/coco-polygon.ts";
import { areaOfRuns, type MaskSize, paintRuns, type Runs, runsOfCounts, unionOfRuns } from "../../formats/coco-runs.ts";
import type { LabelMap } from "../../formats/indexed-png.ts";
import type { CocoAnnotation } from "./coco-annotations.ts";

const IGNORED = 255;

/**
 * Class ids 0..80, 255 where only a crowd is: COCO marks crowds roughly. Crowds are painted first, then objects from the
 * largest to the smallest by their pixels, so that a cup on a table stays a cup; of equal ones the one with the larger
 * annotation id lies on top.
 * @param name the file's name, for messages
 * @throws CsrmError naming the annotation whose outline is broken
 */
export function drawCocoMask(annotations: readonly CocoAnnotation[], size: MaskSize, name: string): LabelMap {
  const data = new Uint8Array(size.width * size.height);
  const shapes = annotations.map((annotation) => {
    const runs = runsOf(annotation, size, `annotation ${annotation.id} in ${name}`);
    return { ...annotation, runs, area: areaOfRuns(runs) };
  });
  shapes.sort((a, b) => Number(b.crowd) - Number(a.crowd) || b.area - a.area || a.id - b.id);
  for (const { runs, crowd, label } of shapes) paintRuns(data, runs, { ...size, label: crowd ? IGNORED : label });
  return { data, width: size.width, height: size.height };
}

function runsOf({ segmentation }: CocoAnnotation, size: MaskSize, where: string): Runs {
  if (Array.isArray(segmentation) && segmentation.every(Array.isArray)) {
    return unionOfRuns(segmentation.map((polygon) => runsOfPolygon(polygon as number[], size, where)));
  }
  if (typeof segmentation === "object" && segmentation !== null && "counts" in segmentation && "size" in segmentation) {
    const { counts, size: own } = segmentation;
    if (!Array.isArray(own) || own[0] !== size.height || own[1] !== size.width) {
      throw expected(`a mask of its image's size, [${size.height}, ${size.width}],`, where, own);
    }
    if (typeof counts === "string" || Array.isArray(counts)) return runsOfCounts(counts as number[], size, where);
  }
  throw expected("polygons or run lengths", where, segmentation);
}
