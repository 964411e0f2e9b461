/** Evaluating a list in shards: each counts its images and leaves the counts; whoever finds all of them adds them up. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { CsrmError } from "../errors.ts";
import { lockFolder } from "../run-lock.ts";
import { makeFolder } from "../run-stage.ts";
import { assertShards, digestOf, type Shard, shardsOf } from "../shard.ts";
import { ShardParts } from "../shard-parts.ts";
import { differencesTo, openStamped, type Settings } from "../stamped-folder.ts";
import { shardOf } from "../world.ts";
import type { CountsState } from "./counts.ts";
import { countPredictions, type EvaluateOptions, evaluationOf, noCounts, openPredictions } from "./evaluate.ts";
import { type Evaluation, thresholdsFor } from "./evaluation.ts";
import { fileStates } from "./inputs-digest.ts";
import type { PredictionFolder } from "./predictions.ts";

export interface ShardedOptions extends EvaluateOptions {
  /** Gets the counts of every shard, 2-of-8.json; one folder an evaluation. */
  folder: string;
  /** Told what a person should know. */
  note: (text: string) => void;
}

export interface ShardedEvaluation {
  /** Of the whole list; null while shards are missing. */
  evaluation: Evaluation | null;
  /** Images of this shard. */
  count: number;
  missing: Shard[];
}

/**
 * Counts one shard, unless that was done and its files are the same, and evaluates the whole when no shard is missing: the figures are
 * those of {@link evaluatePredictions}.
 * @throws CsrmError as that does; (code "config") beside counts of other settings; (code "locked") when the same shard is being counted
 */
export async function evaluateShard(options: ShardedOptions, shard: Shard): Promise<ShardedEvaluation> {
  const { folder, note, ids } = options;
  assertShards(shard, ids.length, "images");
  const own = { ...options, ids: shardOf(ids, shard) };
  const opened = openPredictions(own);
  makeFolder(folder);
  const lock = lockFolder(folder, note, shard);
  try {
    openStamped(folder, settingsOf(options, opened.kind), {
      advice: `delete ${folder} to begin anew, or choose another --out`,
    });
    const parts = partsOf(options, opened);
    const { images } = await parts.get(shard, async () => (await countPredictions(own)).state());
    options.onProgress?.(images, images);
    const { all, missing } = await parts.collect(shard.size);
    return { evaluation: all && merged(all, opened.kind, options), count: images, missing };
  } finally {
    lock.release();
  }
}

/**
 * Evaluates all of a list from the counts that shards left there; what is missing of them is counted now, a shard at a time.
 * @returns null where no shards of this evaluation were counted
 * @throws CsrmError as {@link evaluateShard}
 */
export async function evaluateFromShards(options: ShardedOptions): Promise<Evaluation | null> {
  const { folder, note, ids, onProgress } = options;
  if (!existsSync(folder)) return null;
  const opened = openPredictions(options);
  const lock = lockFolder(folder, note);
  try {
    const differences = differencesTo(folder, settingsOf(options, opened.kind));
    if (differences === null) return null;
    if (differences.length > 0) {
      note(
        `not using the counts in ${folder}, which were made with other settings (there → now):\n${differences.join("\n")}`,
      );
      return null;
    }
    const parts = partsOf(options, opened);
    const size = parts.size();
    if (size === 1 || size > ids.length) return null;
    const all: CountsState[] = [];
    let before = 0;
    for (const shard of shardsOf(size)) {
      const own = {
        ...options,
        ids: shardOf(ids, shard),
        onProgress: (done: number) => onProgress?.(before + done, ids.length),
      };
      all.push(await parts.get(shard, async () => (await countPredictions(own)).state()));
      before += own.ids.length;
      onProgress?.(before, ids.length);
    }
    return merged(all, opened.kind, options);
  } finally {
    lock.release();
  }
}

/** What decides over the counts beside the files and the list. */
function settingsOf(options: EvaluateOptions, kind: PredictionFolder["kind"]): Settings {
  const { predictions, masks, images, classes, ids, threshold = "sweep", source = "cam" } = options;
  return {
    kind,
    predictions: resolve(predictions),
    masks: resolve(masks),
    images: images === undefined ? null : resolve(images),
    classes: classes.ids.map((id, k) => `${id} ${classes.names[k]}`),
    ...(kind === "cams" ? { source, thresholds: thresholdsFor(threshold) } : {}),
    count: ids.length,
    list: digestOf(ids),
  };
}

function partsOf({ folder, ids, masks }: ShardedOptions, opened: PredictionFolder): ShardParts<CountsState> {
  return new ShardParts<CountsState>({
    folder,
    // Predictions may be made anew, masks corrected: then their shard is counted again.
    inputs: async (shard) => digestOf(await fileStates(shardOf(ids, shard), { folder: opened, masks })),
  });
}

function merged(parts: readonly CountsState[], kind: PredictionFolder["kind"], options: ShardedOptions): Evaluation {
  const sums = noCounts(kind, options);
  for (const [rank, part] of parts.entries()) {
    try {
      sums.addState(part);
    } catch (error) {
      if (!(error instanceof CsrmError)) throw error;
      throw new CsrmError(`part ${rank + 1} of ${parts.length} in ${options.folder}: ${error.message}; delete it`, {
        code: "data",
        cause: error,
      });
    }
  }
  return evaluationOf(sums, options);
}
