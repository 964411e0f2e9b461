/** Connected parts of a label map: pixels of one label that hang together by their sides. */

import type { LabelMap } from "../formats/indexed-png.ts";
import type { PixelBox } from "../formats/rle.ts";

/** One part, or all pixels of one label. */
export interface Region {
  /** What its pixels hold in `Regions.ids`: from 1 on, in the order of their first pixels. */
  id: number;
  label: number;
  /** Pixels. */
  area: number;
  /** The smallest box around it. */
  box: PixelBox;
}

export interface Regions {
  /** The region of each pixel, 0 where it has none. */
  ids: Int32Array;
  width: number;
  height: number;
  regions: Region[];
}

/**
 * The regions of the labels that count.
 * @param counts whether a label 0…255 counts; pixels of others belong to no region
 * @param merge one region a label (in the order of the labels) instead of one a connected part
 */
export function findRegions(map: LabelMap, counts: (label: number) => boolean, merge = false): Regions {
  const { data, width, height } = map;
  const ids = new Int32Array(data.length);
  const regions: Region[] = [];
  const wanted = Uint8Array.from({ length: 256 }, (_, label) => (counts(label) ? 1 : 0));
  if (merge) {
    const present = [...new Set(data)].filter((label) => wanted[label]).sort((a, b) => a - b);
    const idOf = new Int32Array(256);
    for (const [i, label] of present.entries()) idOf[label] = i + 1;
    for (let i = 0; i < data.length; i++) ids[i] = idOf[data[i]!]!;
    regions.push(...present.map((label, i) => emptyRegion(i + 1, label)));
  } else {
    for (let i = 0; i < data.length; i++) {
      if (ids[i] !== 0 || !wanted[data[i]!]) continue;
      regions.push(emptyRegion(regions.length + 1, data[i]!));
      fill(map, { ids, from: i, id: regions.length });
    }
  }
  measure({ ids, width, height, regions });
  return { ids, width, height, regions };
}

function emptyRegion(id: number, label: number): Region {
  return { id, label, area: 0, box: { x: 0, y: 0, width: 0, height: 0 } };
}

/** Gives a number to all pixels of a label that hang together with the first. */
function fill({ data, width }: LabelMap, { ids, from, id }: { ids: Int32Array; from: number; id: number }): void {
  const label = data[from];
  const open = [from];
  ids[from] = id;
  const reach = (i: number) => {
    if (data[i] !== label || ids[i] !== 0) return;
    ids[i] = id;
    open.push(i);
  };
  for (let i = open.pop(); i !== undefined; i = open.pop()) {
    if (i % width > 0) reach(i - 1);
    if (i % width < width - 1) reach(i + 1);
    // Outside of the map there is no label to be equal.
    reach(i - width);
    reach(i + width);
  }
}

function measure({ ids, width, height, regions }: Regions): void {
  const ends = regions.map(() => ({ left: width, right: -1, top: height, bottom: -1 }));
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === 0) continue;
    const end = ends[ids[i]! - 1]!;
    const [x, y] = [i % width, Math.floor(i / width)];
    regions[ids[i]! - 1]!.area++;
    end.left = Math.min(end.left, x);
    end.right = Math.max(end.right, x);
    end.top = Math.min(end.top, y);
    end.bottom = Math.max(end.bottom, y);
  }
  for (const [i, { left, right, top, bottom }] of ends.entries()) {
    regions[i]!.box = { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
  }
}
