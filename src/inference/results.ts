/** Where the results of a list lie below its folder, and which of them are still good. */
import { stat } from "node:fs/promises";
import { join } from "node:path";

/** cams/<id>.npz */
export const CAMS = "cams";
/** pseudo/<id>.png */
export const LABELS = "pseudo";
/** pseudo-crf/<id>.png */
export const REFINED = "pseudo-crf";

export function camFile(out: string, id: string): string {
  return join(out, CAMS, `${id}.npz`);
}

export function labelFile(out: string, id: string): string {
  return join(out, LABELS, `${id}.png`);
}

/** Whether a file is there and no older than the one it was made from. */
export async function isNewer(result: string, source: string): Promise<boolean> {
  const [made, from] = await Promise.all([result, source].map((file) => stat(file).catch(() => null)));
  return made != null && from != null && made.mtimeMs >= from.mtimeMs;
}
