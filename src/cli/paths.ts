/** Where a command may write. */
import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { expected } from "../errors.ts";

/**
 * Refuses an output folder in, or the same as, a folder of inputs: what is written there would be taken for inputs by the next call.
 * @param what whose folder it is, e.g. "the photographs'"
 * @throws CsrmError naming both
 */
export function requireOutside(out: string, inputs: string, what = "the photographs'"): void {
  const below = relative(realPath(inputs), realPath(out));
  if (below === ".." || below.startsWith(`..${sep}`) || resolve(below) === below) return;
  throw expected(`a folder outside of ${what} (${resolve(inputs)})`, "--out", resolve(out));
}

/** Refuses an output file that is one of the inputs, or has another ending than such files have. */
export function requireFile(
  out: string,
  ending: string,
  inputs: readonly (string | undefined)[] = [],
  option = "--out",
): void {
  if (extname(out).toLowerCase() !== ending) throw expected(`a ${ending} file`, option, out);
  const same = inputs.find((input) => input !== undefined && realPath(input) === realPath(out));
  if (same !== undefined) throw expected("another file than those that are read", option, out);
}

/** An absolute path without links, also of what is not there yet. */
function realPath(path: string): string {
  const full = resolve(path);
  if (existsSync(full) || dirname(full) === full) return existsSync(full) ? realpathSync(full) : full;
  return join(realPath(dirname(full)), basename(full));
}
