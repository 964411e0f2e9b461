/** Label colours over photographs, for a person to look at. */
import { join } from "node:path";
import { decodeImage } from "../data/image.ts";
import type { Sample } from "../data/types.ts";
import { naming } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { decodeLabelPng } from "../formats/indexed-png.ts";
import type { Progress } from "../progress.ts";
import { jpegOf, overlayLabels } from "../report/pictures.ts";
import { isNewer, workThrough } from "../resumable.ts";

type Picture = Pick<Sample, "id" | "image">;

/** Longer side of an overlay at most. */
const LONGEST = 1600;

export interface OverlayOptions {
  samples: readonly Picture[];
  /** Folder of label maps, <id>.png. */
  labels: string;
  /** Gets <id>.jpg. */
  out: string;
  progress: Progress;
}

/**
 * Writes the overlays that are missing or older than their label maps.
 * @returns how many were there before
 * @throws CsrmError naming the label map where it is damaged or of another size than its photograph
 */
export async function writeOverlays({ samples, labels, out, progress }: OverlayOptions): Promise<number> {
  const labelFile = ({ id }: Picture) => join(labels, `${id}.png`);
  const overlayFile = ({ id }: Picture) => join(out, `${id}.jpg`);
  return workThrough({
    items: samples,
    isDone: (sample) => isNewer(overlayFile(sample), labelFile(sample)),
    async read(sample) {
      const [image, bytes] = await Promise.all([decodeImage(sample.image), readFileBytes(labelFile(sample))]);
      return { image, labels: decodeLabelPng(bytes, labelFile(sample)) };
    },
    work(sample, { image, labels }) {
      const overlay = naming(labelFile(sample), () => overlayLabels(image, labels));
      return async () => writeFileAtomic(overlayFile(sample), await jpegOf(overlay, LONGEST));
    },
    progress,
    label: "overlays",
  });
}
