/** Copies a state dict into a module's tensors, strictly: one error lists every missing, unexpected and misshapen key. */
import { CsrmError } from "../../errors.ts";
import { noGrad, type Tensor } from "../index.ts";

/** Tensors by dotted name, as in PyTorch's state dicts. */
export type StateDict = Map<string, Tensor>;

export interface LoadOptions {
  /** false: missing and unexpected keys are only reported. Another shape is always an error. Default true. */
  strict?: boolean;
  /** Keys that may be absent from the dict. */
  allowMissing?: readonly RegExp[];
  /** Keys of the dict that may have no place in the module. */
  allowUnexpected?: readonly RegExp[];
}

/** The keys that did not match and were let through. */
export interface LoadReport {
  missing: string[];
  unexpected: string[];
}

/**
 * Copies `source` into `target` in place (converting the dtype), after all keys and shapes have been checked; on an error
 * nothing has been copied.
 * @throws CsrmError (code "weights") naming the first ten keys of each kind of mismatch
 */
export function loadInto(target: StateDict, source: StateDict, options: LoadOptions = {}): LoadReport {
  const report = compareKeys(target, source, options);
  noGrad(() => {
    for (const [key, tensor] of target) if (source.has(key)) tensor.copy_(source.get(key)!);
  });
  return report;
}

/** Anything that has a shape by name: tensors, or what is known of tensors in a file. */
export type Shapes = ReadonlyMap<string, { shape: readonly number[] }>;

/** The check alone. @throws CsrmError as loadInto */
export function compareKeys(target: Shapes, source: Shapes, options: LoadOptions = {}): LoadReport {
  const { strict, allowMissing, allowUnexpected } = { ...defaults, ...options };
  const missing = [...target.keys()].filter((key) => !source.has(key));
  const unexpected = [...source.keys()].filter((key) => !target.has(key));
  const misshapen = [...target]
    .filter(([key, { shape }]) => source.has(key) && shape.join() !== source.get(key)!.shape.join())
    .map(([key, { shape }]) => `${key} (expected [${shape}], got [${source.get(key)!.shape}])`);

  const badMissing = strict ? missing.filter((key) => !allowMissing.some((pattern) => pattern.test(key))) : [];
  const badUnexpected = strict ? unexpected.filter((key) => !allowUnexpected.some((pattern) => pattern.test(key))) : [];
  const problems = [
    listed("missing", badMissing),
    listed("unexpected", badUnexpected),
    listed("of another shape", misshapen),
  ].filter((text) => text !== "");
  if (problems.length > 0) {
    throw new CsrmError(`the state dict does not fit the network: ${problems.join("; ")}`, { code: "weights" });
  }
  return { missing, unexpected };
}

const defaults = { strict: true, allowMissing: [], allowUnexpected: [] } satisfies Required<LoadOptions>;

function listed(kind: string, keys: string[]): string {
  if (keys.length === 0) return "";
  const more = keys.length > 10 ? ` and ${keys.length - 10} more` : "";
  return `${keys.length} ${keys.length === 1 ? "key" : "keys"} ${kind}: ${keys.slice(0, 10).join(", ")}${more}`;
}
