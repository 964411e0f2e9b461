/** The one error type and the one error factory: messages name what was expected, for what, what came instead, and the fix. */

export interface CsrmErrorOptions {
  /** A machine-readable reason, e.g. "data", "config", "weights". */
  code?: string;
  cause?: unknown;
}

/** An error caused by input, environment or use, shown to the user without a stack trace. */
export class CsrmError extends Error {
  readonly code: string;
  constructor(message: string, options: CsrmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CsrmError";
    this.code = options.code ?? "error";
  }
}

/**
 * Builds "expected <what> for <name>, got <value>[: fix]".
 * @param what what would have been right, e.g. "a number in 0..1"
 * @param name the key, argument or file it is about
 * @param got the offending value; shown as JSON, cut at 200 characters
 * @param fix what to do, when it can be computed
 */
export function expected(what: string, name: string, got: unknown, fix?: string): CsrmError {
  return new CsrmError(`expected ${what} for ${name}, got ${show(got)}${fix ? `; ${fix}` : ""}`, { code: "expected" });
}

/** A value as it appears in messages: JSON where that works, at most 200 characters. */
export function show(value: unknown): string {
  let text: string;
  if (typeof value === "string") text = JSON.stringify(value);
  else if (typeof value === "number") text = String(value);
  else if (value === undefined) text = "nothing";
  else if (typeof value === "function") text = "a function";
  else if (ArrayBuffer.isView(value)) text = `${value.constructor.name}(${value.byteLength} bytes)`;
  else {
    try {
      text = JSON.stringify(value, finite) ?? String(value);
    } catch {
      text = String(value);
    }
  }
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

/** JSON has no NaN and no infinity and would say null. */
const finite = (_key: string, value: unknown) =>
  typeof value === "number" && !Number.isFinite(value) ? String(value) : value;

/** Does work that fails without knowing which file it is about: its name comes before the message. */
export function naming<Result>(file: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CsrmError) || error.message.includes(file)) throw error;
    throw new CsrmError(`${file}: ${error.message}`, { code: error.code, cause: error });
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
