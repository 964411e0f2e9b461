/** Where a command may write. */
import { relative, resolve, sep } from "node:path";
import { expected } from "../errors.ts";

/**
 * Refuses an output folder in, or the same as, the folder of photographs: what is written there would be taken for photographs by the
 * next call. @throws CsrmError naming both
 */
export function requireOutside(out: string, images: string): void {
  const below = relative(resolve(images), resolve(out));
  if (below === ".." || below.startsWith(`..${sep}`) || resolve(below) === below) return;
  throw expected(`a folder outside of the photographs' (${resolve(images)})`, "--out", resolve(out));
}
