/** Work over a folder of finished label maps, one refined map each, that goes on where it stopped. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { labelIds } from "../data/label-files.ts";
import { CsrmError, expected, naming } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng, encodeIndexedPng, type LabelMap } from "../formats/indexed-png.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { assertSomeRead, isNewer, noteSkipped, type Skipped, workThrough } from "../resumable.ts";
import type { Shard } from "../shard.ts";
import { lockStamped, type Settings, type StampOptions, stampOf } from "../stamped-folder.ts";

/** What every kind of refinement takes. */
export interface FolderOptions {
  /** Folder of label maps, <id>.png of ids 0…254, 255 = unknown. */
  labels: string;
  /** Gets <id>.png: indexed, VOC palette, the same ids. */
  out: string;
  /** Default: every label map in the folder. */
  ids?: readonly string[];
  /** The shard of a list that `ids` are, where other processes refine the other ones into the same folder. */
  shard?: Shard;
  /** Begin anew where there are results already, and keep those aside. */
  fresh?: StampOptions["fresh"];
  /** Leave out photographs that cannot be decoded and name them, instead of an error (default false). */
  skip?: boolean;
  progress?: Progress;
}

export interface RefineFolderOptions<Value> extends FolderOptions {
  /** What decides over the results beside the label maps. */
  settings: Settings;
  /** What the progress calls it. */
  label: string;
  /** Refuses, before anything is refined, when something is missing. */
  assertAll?(ids: readonly string[]): void;
  /** The files that one map's refinement reads beside the map; a map is refined anew when one of them has changed. */
  sources(id: string): readonly string[];
  /** Reads what the refinement of one map needs, some maps ahead. @param file the map's, for messages */
  read(id: string, labels: LabelMap, file: string): Promise<Value>;
  refine(labels: LabelMap, value: Value, id: string): LabelMap;
}

export interface RefineSummary {
  /** Folder of the refined label maps. */
  dir: string;
  /** Those with a result. */
  ids: string[];
  skipped: Skipped[];
  /** How many had been done before. */
  resumed: number;
  seconds: number;
}

/**
 * Refines label maps; those that were refined before with the same settings, from files that have not changed since,
 * stay as they are.
 * @throws CsrmError naming the file: a missing label map (before anything is refined), a damaged one; for results of other
 *   settings in `out`; (code "locked") when another process refines there; what `assertAll`, `read` and `refine` throw; (code "image") with
 *   `skip`, where no photograph can be decoded
 */
export async function refineFolder<Value>(options: RefineFolderOptions<Value>): Promise<RefineSummary> {
  const { labels, settings, progress = silentProgress, fresh, shard } = options;
  const started = performance.now();
  const dir = resolve(options.out);
  if (dir === resolve(labels)) throw expected("another folder than that of the labels", "the refined labels", dir);
  const ids = options.ids ?? labelIds(labels);
  const missing = ids.find((id) => !existsSync(labelFile(labels, id)));
  if (missing !== undefined) throw new CsrmError(`no label map ${labelFile(labels, missing)}`, { code: "data" });
  options.assertAll?.(ids);
  // The label maps' own settings are kept along where they are known.
  const stamp = { ...settings, labels: stampOf(labels) };
  const lock = lockStamped(dir, stamp, { fresh, note: progress.note, shard });
  try {
    const { resumed, skipped } = await refineAll(options, { ids, dir });
    // A shard may have nothing but photographs that cannot be read.
    if ((shard?.size ?? 1) === 1) assertSomeRead(skipped, ids.length);
    const missing = new Set(skipped.map(({ id }) => id));
    const refined = ids.filter((id) => !missing.has(id));
    return { dir, ids: refined, skipped, resumed, seconds: (performance.now() - started) / 1000 };
  } finally {
    lock.release();
  }
}

/** @returns how many had been done before, and what was left out */
async function refineAll<Value>(
  options: RefineFolderOptions<Value>,
  { ids, dir }: { ids: readonly string[]; dir: string },
): Promise<Pick<RefineSummary, "resumed" | "skipped">> {
  const { labels, label, sources, read, refine, skip = false, progress = silentProgress } = options;
  const skipped: RefineSummary["skipped"] = [];
  const resumed = await workThrough({
    items: ids,
    isDone: (id) => isNewer(join(dir, `${id}.png`), labelFile(labels, id), ...sources(id)),
    async read(id) {
      const file = labelFile(labels, id);
      const map = decodeLabelPng(await readFileBytes(file), file);
      return { map, value: await read(id, map, file) };
    },
    work(id, { map, value }) {
      const refined = naming(labelFile(labels, id), () => refine(map, value, id));
      return () => writeFileAtomic(join(dir, `${id}.png`), encodeIndexedPng(refined));
    },
    onUnreadable: skip ? (id, error) => noteSkipped(skipped, id, error) : undefined,
    progress,
    label,
  });
  return { resumed, skipped };
}

function labelFile(labels: string, id: string): string {
  return join(labels, `${id}.png`);
}
