/**
 * From the ids that stand in files (8, 10, 12 … in a subset of VOC) to the class indices 0…K−1 that everything is
 * counted by.
 */
import { CsrmError, expected } from "../errors.ts";
import type { ClassTable } from "./types.ts";

/** The label of pixels without a class, in files and in indices. */
const IGNORE = 255;

/** Any map of labels, row by row. */
interface Labels {
  width: number;
  height: number;
  data: Uint8Array | Uint16Array;
}

/** No class: the value of ids that a table does not name. */
const NONE = 254;

/**
 * Returns a function that turns a label map of dataset ids, in place, into one of class indices; 255 stays.
 * The function throws a CsrmError naming the file, the first id that the table lacks, and how many pixels have it.
 */
export function classIndexer(classes: ClassTable): <Map extends Labels>(map: Map, file: string) => Map {
  const lookup = new Uint8Array(256).fill(NONE);
  lookup[IGNORE] = IGNORE;
  for (const [index, id] of classes.ids.entries()) {
    if (!(Number.isInteger(id) && id >= 0 && id < IGNORE) || index >= NONE) {
      throw expected(`fewer than ${NONE} classes with ids in 0..${IGNORE - 1}`, "the class table", id);
    }
    lookup[id] = index;
  }
  return (map, file) => {
    const { data } = map;
    for (let i = 0; i < data.length; i++) {
      const id = data[i]!;
      const index = id < 256 ? lookup[id]! : NONE;
      if (index === NONE) throw unknownId(map, file, id, i, classes);
      data[i] = index;
    }
    return map;
  };
}

function unknownId(map: Labels, file: string, id: number, at: number, classes: ClassTable): CsrmError {
  // Labels before `at` are class indices by now; none of them had this id.
  const pixels = map.data.subarray(at).filter((value) => value === id).length;
  const where = `x=${at % map.width}, y=${Math.floor(at / map.width)}`;
  return new CsrmError(
    `expected label ids ${classes.ids.join(", ")} or ${IGNORE} in ${file}, got ${id} (${pixels} pixels, the first at ${where})` +
      "; use the class table these labels were made with, or leave this image out of the list",
    { code: "data" },
  );
}
