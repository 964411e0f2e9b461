/** Work over a folder of finished label maps, one refined map each, that goes on where it stopped. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { labelIds } from "../data/label-files.ts";
import { CsrmError, expected, naming } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng, encodeIndexedPng, type LabelMap } from "../formats/indexed-png.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { isNewer, workThrough } from "../resumable.ts";
import { openStamped, type Settings, type StampOptions, stampOf } from "../stamped-folder.ts";

export interface RefineFolderOptions<Value> {
  /** Folder of label maps, <id>.png of ids 0…254, 255 = unknown. */
  labels: string;
  /** Gets <id>.png: indexed, VOC palette, the same ids. */
  out: string;
  /** Default: every label map in the folder. */
  ids?: readonly string[];
  /** What decides over the results beside the label maps. */
  settings: Settings;
  /** What the progress calls it. */
  label: string;
  /** Begin anew where there are results already, and keep those aside. */
  fresh?: StampOptions["fresh"];
  progress?: Progress;
  /** Refuses, before anything is refined, when something is missing. */
  assertAll?(ids: readonly string[]): void;
  /** Reads what the refinement of one map needs, some maps ahead. */
  read(id: string, labels: LabelMap): Promise<Value>;
  refine(labels: LabelMap, value: Value, id: string): LabelMap;
}

export interface RefineSummary {
  /** Folder of the refined label maps. */
  dir: string;
  ids: string[];
  /** How many had been done before. */
  resumed: number;
  seconds: number;
}

/**
 * Refines label maps; those that were refined before with the same settings and have not changed since stay as they
 * are.
 * @throws CsrmError naming the file: a missing label map (before anything is refined), a damaged one; for results of other
 *   settings in `out`; what `assertAll`, `read` and `refine` throw
 */
export async function refineFolder<Value>(options: RefineFolderOptions<Value>): Promise<RefineSummary> {
  const { labels, settings, label, read, refine, progress = silentProgress, fresh } = options;
  const started = performance.now();
  const dir = resolve(options.out);
  if (dir === resolve(labels)) throw expected("another folder than that of the labels", "the refined labels", dir);
  const labelFile = (id: string) => join(labels, `${id}.png`);
  const ids = options.ids ?? labelIds(labels);
  const missing = ids.find((id) => !existsSync(labelFile(id)));
  if (missing !== undefined) throw new CsrmError(`no label map ${labelFile(missing)}`, { code: "data" });
  options.assertAll?.(ids);
  // The label maps' own settings are kept along where they are known.
  openStamped(dir, { ...settings, labels: stampOf(labels) }, { fresh, note: progress.note });

  const resumed = await workThrough({
    items: ids,
    isDone: (id) => isNewer(join(dir, `${id}.png`), labelFile(id)),
    async read(id) {
      const map = decodeLabelPng(await readFileBytes(labelFile(id)), labelFile(id));
      return { map, value: await read(id, map) };
    },
    work(id, { map, value }) {
      const refined = naming(labelFile(id), () => refine(map, value, id));
      return () => writeFileAtomic(join(dir, `${id}.png`), encodeIndexedPng(refined));
    },
    progress,
    label,
  });
  return { dir, ids: [...ids], resumed, seconds: (performance.now() - started) / 1000 };
}
