/** Where the results of a list lie below its folder. */
import { join } from "node:path";

/** cams/<id>.npz */
export const CAMS = "cams";
/** pseudo/<id>.png */
export const LABELS = "pseudo";
/** pseudo-crf/<id>.png, refined by the dense CRF */
export const REFINED = "pseudo-crf";

export function camFile(out: string, id: string): string {
  return join(out, CAMS, `${id}.npz`);
}

export function labelFile(out: string, id: string): string {
  return join(out, LABELS, `${id}.png`);
}
