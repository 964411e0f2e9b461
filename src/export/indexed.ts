/** Label maps as indexed PNG with the VOC palette, with the ids of another class table where one is given. */
import { join } from "node:path";
import { classIndexer } from "../data/class-index.ts";
import type { ClassTable } from "../data/types.ts";
import { suggestion } from "../did-you-mean.ts";
import { CsrmError } from "../errors.ts";
import { writeFileAtomic } from "../files.ts";
import { encodeIndexedPng, type LabelMap } from "../formats/indexed-png.ts";
import type { Progress } from "../progress.ts";
import { isNewer, workThrough } from "../resumable.ts";
import type { LabelFolder } from "./label-folder.ts";

/** From what the ids mean to what they shall be; classes are matched by their names, 0 stays 0 and 255 stays 255. */
export interface Renumbering {
  from: ClassTable;
  to: ClassTable;
}

/**
 * Writes `<id>.png` of every label map that is missing in `out` or older than its source.
 * @returns how many were there before
 * @throws CsrmError naming the file and an id or a class that a table lacks
 */
export async function exportIndexed(
  folder: LabelFolder,
  { out, renumber, progress }: { out: string; renumber: Renumbering | null; progress: Progress },
): Promise<number> {
  const target = (id: string) => join(out, `${id}.png`);
  const change = renumber === null ? (map: LabelMap) => map : renumberer(renumber);
  return workThrough({
    items: folder.ids,
    isDone: (id) => isNewer(target(id), folder.file(id)),
    read: (id) => folder.read(id),
    work(id, map) {
      const changed = change(map, folder.file(id));
      return () => writeFileAtomic(target(id), encodeIndexedPng(changed));
    },
    progress,
    label: "label maps",
  });
}

/** Returns a function that gives a label map, in place, the ids of another table. */
export function renumberer({ from, to }: Renumbering): (map: LabelMap, file: string) => LabelMap {
  const toIndices = classIndexer(from);
  const ids = from.names.map((name, k) => (k === 0 ? 0 : to.ids[to.names.indexOf(name, 1)]));
  return (map, file) => {
    toIndices(map, file);
    const { data } = map;
    for (let i = 0; i < data.length; i++) {
      const k = data[i]!;
      if (k === 255) continue;
      const id = ids[k];
      // Only a class that occurs must be there: a table may well have more classes than its label maps.
      if (id === undefined) {
        const name = from.names[k]!;
        const message = `${file} shows "${name}" (id ${from.ids[k]}), which the table to export to does not have`;
        throw new CsrmError(message + suggestion(name, to.names.slice(1)), { code: "data" });
      }
      data[i] = id;
    }
    return map;
  };
}
