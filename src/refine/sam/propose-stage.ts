/** Masks of everything in all photographs of a folder, one photograph after the other. */
import { basename, join, resolve } from "node:path";
import { decodeImage } from "../../data/image.ts";
import { sha256Of } from "../../download.ts";
import { expected, naming } from "../../errors.ts";
import { safePoint } from "../../interrupt.ts";
import type { SamVariant } from "../../models/sam/config.ts";
import { loadSam, samVariantIn } from "../../models/sam/load-sam.ts";
import { type Progress, silentProgress } from "../../progress.ts";
import { assertSomeRead, isNewer, noteSkipped, type Skipped, workThrough } from "../../resumable.ts";
import type { RunLock } from "../../run-lock.ts";
import type { Shard } from "../../shard.ts";
import { isStamp, lockStamped, type Settings, type StampOptions } from "../../stamped-folder.ts";
import { METADATA } from "../masks/mask-files.ts";
import type { MaskTimes } from "./clock.ts";
import { maskSteps } from "./generate.ts";
import { writeMaskFile, writeMaskFolder } from "./mask-file.ts";
import { assertMaskOptions, type MaskOptions } from "./options.ts";

/** What is written for a photograph: <id>.json, the folder <id>/ of PNG files, or both. */
export type MaskFormat = "json" | "png" | "both";

export interface ProposeOptions {
  /** Photographs by id. */
  samples: readonly { id: string; image: string }[];
  /** A file of weights of Segment Anything. */
  weights: string;
  out: string;
  /** The shard of a list that `samples` are, where other processes do the other ones in the same folder. */
  shard?: Shard;
  masks: MaskOptions;
  format: MaskFormat;
  device: string;
  /** Arithmetic of the image encoder. */
  precision: "fp32" | "bf16";
  /** Begin anew where there are results already, and keep those aside. */
  fresh?: StampOptions["fresh"];
  /** What to do about masks of other settings, where `fresh` is no choice. */
  advice?: StampOptions["advice"];
  /** A photograph that cannot be decoded is an error instead of a skip. */
  strict?: boolean;
  progress?: Progress;
}

export interface ProposeSummary {
  out: string;
  network: SamVariant;
  /** Photographs with a result. */
  images: number;
  /** Of those, how many had been done before. */
  resumed: number;
  /** Found this time. */
  masks: number;
  skipped: Skipped[];
  /** Where this time went, in seconds. */
  times: MaskTimes;
  seconds: number;
}

/**
 * Writes the masks of all photographs; those done before with the same weights and options, and not changed since, stay.
 * @throws CsrmError for weights of another network, options out of range, results of other settings in `out`, a full disk and, where
 *   `strict`, a photograph that cannot be decoded; (code "locked") when another process makes masks there; InterruptedError between two
 *   batches of points: the masks of that photograph are made anew then
 */
export async function proposeMasks(options: ProposeOptions): Promise<ProposeSummary> {
  const { samples, weights, masks: maskOptions, format, device, precision, strict = false } = options;
  const { fresh, advice, shard, progress = silentProgress } = options;
  const started = performance.now();
  const out = resolve(options.out);
  assertMaskOptions(maskOptions);
  assertNames(samples, format);
  const { sam, variant } = loadSam(weights, { device });
  let lock: RunLock | undefined;
  try {
    if (precision === "bf16") sam.image_encoder.setPrecision("bfloat16");
    lock = lockStamped(out, await proposalSettings(options), { fresh, advice, note: progress.note, shard });
    const times: MaskTimes = { embed: 0, decode: 0, draw: 0, select: 0 };
    const skipped: ProposeSummary["skipped"] = [];
    let found = 0;
    const resumed = await workThrough({
      items: samples,
      isDone: (sample) => isDone(sample, out, format),
      read: ({ image }) => decodeImage(image),
      async work({ id, image: file }, image) {
        const name = `${file} (${image.width} × ${image.height})`;
        const result = await throughSteps(name, maskSteps(sam, image, maskOptions));
        for (const part of Object.keys(times) as (keyof MaskTimes)[]) times[part] += result.times[part];
        found += result.masks.length;
        return async () => {
          const size = { width: image.width, height: image.height };
          if (format !== "json") await writeMaskFolder(join(out, id), result.masks, size);
          if (format !== "png") await writeMaskFile(join(out, `${id}.json`), result.masks, size);
        };
      },
      onUnreadable: strict ? undefined : ({ id }, error) => noteSkipped(skipped, id, error),
      progress,
      label: `masks, ${basename(weights)}`,
    });
    const images = samples.length - skipped.length;
    // A shard may have nothing but photographs that cannot be read.
    if ((shard?.size ?? 1) === 1) assertSomeRead(skipped, samples.length);
    const seconds = (performance.now() - started) / 1000;
    return { out, network: variant, images, resumed, masks: found, skipped, times, seconds };
  } finally {
    lock?.release();
    sam.dispose();
  }
}

/** What decides over masks, as their folder's settings have it. @throws CsrmError for a file that holds no weights of Segment Anything */
export async function proposalSettings(
  options: Pick<ProposeOptions, "weights" | "precision" | "format" | "masks">,
): Promise<Settings> {
  const { weights, precision, format, masks } = options;
  const network = samVariantIn(weights);
  // The number of points at once changes no mask.
  const { points_per_batch: _, ...deciding } = masks;
  return { weights: await sha256Of(weights), network, precision, format, ...deciding };
}

/** Does work step by step, stopping between two steps when asked to. @throws InterruptedError; what a step throws, with `name` before it */
async function throughSteps<Result>(name: string, steps: Generator<undefined, Result>): Promise<Result> {
  try {
    for (;;) {
      const step = naming(name, () => steps.next());
      if (step.done) return step.value;
      await safePoint();
    }
  } finally {
    steps.return(undefined as never);
  }
}

/** @throws CsrmError for photographs whose masks would take the place of other files in the folder */
function assertNames(samples: ProposeOptions["samples"], format: MaskFormat): void {
  const ids = new Set(samples.map(({ id }) => id));
  const rename = "rename it, or leave it out with --ids";
  for (const { id, image } of samples) {
    if (format !== "png" && isStamp(`${id}.json`))
      throw expected(`another name than ${id}`, "a photograph", image, rename);
    const above = id.split("/").map((_, i, parts) => parts.slice(0, i).join("/"));
    const taken = format === "json" ? undefined : above.find((folder) => ids.has(folder));
    if (taken === undefined) continue;
    throw expected(`a folder that is not called like the photograph ${taken}`, "a photograph", image, rename);
  }
}

async function isDone({ id, image }: { id: string; image: string }, out: string, format: MaskFormat): Promise<boolean> {
  const results = [
    ...(format === "png" ? [] : [join(out, `${id}.json`)]),
    ...(format === "json" ? [] : [join(out, id, METADATA)]),
  ];
  const newer = await Promise.all(results.map((file) => isNewer(file, image)));
  return newer.every(Boolean);
}
