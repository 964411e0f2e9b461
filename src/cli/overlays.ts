/** Label colours over photographs, for a person to look at. */
import { join } from "node:path";
import { decodeImage } from "../data/image.ts";
import type { Sample } from "../data/types.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import type { Progress } from "../progress.ts";
import { jpegOf, overlayLabels } from "../report/pictures.ts";
import { isNewer, workThrough } from "../resumable.ts";

/** Longer side of an overlay at most. */
const LONGEST = 1600;

export interface OverlayOptions {
  samples: readonly Sample[];
  /** Folder of label maps, <id>.png. */
  labels: string;
  /** Gets <id>.jpg. */
  out: string;
  progress: Progress;
}

/** Writes the overlays that are missing or older than their label maps. */
export async function writeOverlays({ samples, labels, out, progress }: OverlayOptions): Promise<void> {
  const labelFile = ({ id }: Sample) => join(labels, `${id}.png`);
  const overlayFile = ({ id }: Sample) => join(out, `${id}.jpg`);
  await workThrough({
    items: samples,
    isDone: (sample) => isNewer(overlayFile(sample), labelFile(sample)),
    async read(sample) {
      const [image, bytes] = await Promise.all([decodeImage(sample.image), readFileBytes(labelFile(sample))]);
      return { image, labels: decodeLabelPng(bytes, labelFile(sample)) };
    },
    work(sample, { image, labels }) {
      const overlay = overlayLabels(image, labels);
      return async () => writeFileAtomic(overlayFile(sample), await jpegOf(overlay, LONGEST));
    },
    progress,
    label: "overlays",
  });
}
