/** Label maps of a list of images by a verification network; what is done with the same settings is not done again. */
import { join } from "node:path";
import { decodeImage } from "../data/image.ts";
import type { Dataset, Sample } from "../data/types.ts";
import { sha256Of } from "../download.ts";
import { naming } from "../errors.ts";
import { writeFileAtomic } from "../files.ts";
import { encodeIndexedPng } from "../formats/indexed-png.ts";
import { openSegmenter } from "../models/segmenter.ts";
import { type Progress, silentProgress } from "../progress.ts";
import { isNewer, noteSkipped, type Skipped, workThrough } from "../resumable.ts";
import { openStamped, type StampOptions } from "../stamped-folder.ts";
import { assertClasses } from "./predict-settings.ts";
import { type SegmentSettings, segmentImage } from "./segment.ts";

export interface SegmentOptions {
  /** model.safetensors of a verification network. */
  model: string;
  dataset: Dataset;
  /** Gets labels/<id>.png and, with a CRF, crf/<id>.png: indexed, VOC palette, dataset ids, the images' sizes. */
  out: string;
  settings: SegmentSettings;
  fresh?: StampOptions["fresh"];
  /** An image that cannot be decoded is an error instead of a skip. */
  strict?: boolean;
  progress?: Progress;
  label?: string;
}

export interface SegmentSummary {
  /** Folders of the label maps. */
  labels: string;
  refined: string | null;
  /** Images with a result. */
  ids: string[];
  skipped: Skipped[];
  resumed: number;
}

/** @throws CsrmError for a network of other classes, a full disk and, where `strict`, an image that cannot be decoded */
export async function segmentAll(options: SegmentOptions): Promise<SegmentSummary> {
  const { model, dataset, out, settings, strict = false, fresh, progress = silentProgress } = options;
  const digest = await sha256Of(model);
  const network = openSegmenter(model, { device: settings.device });
  const labels = join(out, "labels");
  const refined = settings.crf ? join(out, "crf") : null;
  const files = ({ id }: Sample) => [labels, ...(refined ? [refined] : [])].map((folder) => join(folder, `${id}.png`));
  const skipped: Skipped[] = [];
  try {
    assertClasses(network.info, dataset.classes, model);
    network.segmenter.model.eval();
    const { device: _, ...decisive } = settings;
    openStamped(out, { model: digest, ...decisive }, { fresh, note: progress.note });
    const resumed = await workThrough({
      items: dataset.samples,
      isDone: async (sample) =>
        (await Promise.all(files(sample).map((file) => isNewer(file, sample.image)))).every(Boolean),
      read: (sample) => decodeImage(sample.image),
      work(sample, image) {
        const name = `${model}, image ${sample.image} (${image.width} × ${image.height})`;
        const { labels: map, refined: better } = naming(name, () => segmentImage(network, image, settings));
        return async () => {
          const [plain, crf] = files(sample);
          await writeFileAtomic(plain!, encodeIndexedPng(map));
          if (better) await writeFileAtomic(crf!, encodeIndexedPng(better));
        };
      },
      onUnreadable: strict ? undefined : ({ id }, error) => noteSkipped(skipped, id, error),
      progress,
      label: options.label ?? "segment",
    });
    const missing = new Set(skipped.map(({ id }) => id));
    const ids = dataset.samples.map(({ id }) => id).filter((id) => !missing.has(id));
    return { labels, refined, ids, skipped, resumed };
  } finally {
    network.segmenter.model.dispose();
  }
}
