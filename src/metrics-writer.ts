/** Appends to metrics.jsonl, one JSON object with a "step" a line; after a resume, lines of steps that will be done again are gone. */
import { appendFileSync, existsSync } from "node:fs";
import { CsrmError, messageOf } from "./errors.ts";
import { readTextSync, writeFileAtomicSync } from "./files.ts";

/** A line of metrics.jsonl; by habit also "time" (seconds of training over all sessions) and "losses". */
export interface MetricsRecord {
  step: number;
  [name: string]: unknown;
}

export class MetricsWriter {
  readonly file: string;

  /**
   * @param file metrics.jsonl; made with the first record
   * @param resumedStep steps that the resumed state has done; records of later steps are dropped. null: begin anew
   */
  constructor(file: string, resumedStep: number | null) {
    this.file = file;
    if (!existsSync(file)) return;
    const text = readTextSync(file);
    const kept = resumedStep === null ? "" : keepUpTo(text, resumedStep);
    if (kept !== text) writeFileAtomicSync(file, kept);
  }

  /** @throws CsrmError (code "file") naming the file, e.g. when the disk is full */
  append(record: MetricsRecord): void {
    try {
      appendFileSync(this.file, `${JSON.stringify(record)}\n`);
    } catch (error) {
      throw new CsrmError(`cannot write ${this.file}: ${messageOf(error)}`, { code: "file", cause: error });
    }
  }
}

/** Every number of a record by its name; nested ones as "outer.inner". */
export function* numbersOf(record: object, prefix = ""): Generator<[string, number]> {
  for (const [key, value] of Object.entries(record) as [string, unknown][]) {
    if (typeof value === "number") yield [prefix + key, value];
    else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      yield* numbersOf(value, `${prefix}${key}.`);
    }
  }
}

/** A killed process may leave a line cut off; that one goes too. */
function keepUpTo(text: string, step: number): string {
  const kept = text.split("\n").filter((line) => {
    const recorded = stepOf(line);
    return recorded !== null && recorded <= step;
  });
  return kept.map((line) => `${line}\n`).join("");
}

function stepOf(line: string): number | null {
  try {
    const value = JSON.parse(line) as { step?: unknown } | null;
    return typeof value?.step === "number" ? value.step : null;
  } catch {
    return null;
  }
}
