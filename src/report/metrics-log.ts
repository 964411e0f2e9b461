/**
 * Reads metrics.jsonl: one JSON object a line, {"step", "time", "losses": {name: value}, …any numbers}, written while
 * a stage runs.
 */
import { CsrmError, messageOf } from "../errors.ts";
import { readTextSync } from "../files.ts";
import { numbersOf } from "../metrics-writer.ts";

/** One recorded number over the steps of a stage. */
export interface Series {
  name: string;
  steps: number[];
  values: number[];
}

/** What a stage wrote down. */
export interface MetricsLog {
  /** Every entry of "losses", in order of first appearance. */
  losses: Series[];
  /** Every other number; nested objects as "outer.inner". */
  others: Series[];
  /** The last step, null for an empty log. */
  lastStep: number | null;
  /** Seconds that the stage ran, resumed parts added up; null where no record has a "time". */
  seconds: number | null;
}

type Json = Record<string, unknown>;

/**
 * Reads a log. The last line may be cut off, as a running or killed stage leaves it. Where steps repeat (a stage that
 * was resumed from
 * an earlier checkpoint) the later record counts.
 * @throws CsrmError naming file and line of any other line that is no JSON object with a "step"
 */
export function readMetricsLog(file: string): MetricsLog {
  const lines = readTextSync(file).split("\n");
  const records: { step: number; record: Json }[] = [];
  const last = lines.findLastIndex((line) => line.trim() !== "");
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const record = parseRecord(line, `${file}:${i + 1}`, i === last);
    if (record === null) continue;
    while (records.length > 0 && records.at(-1)!.step >= record.step) records.pop();
    records.push(record);
  }
  return collect(records);
}

function parseRecord(line: string, place: string, mayBeCut: boolean): { step: number; record: Json } | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (mayBeCut) return null;
    throw new CsrmError(`expected a JSON object at ${place}, got ${line.slice(0, 60)} (${messageOf(error)})`, {
      code: "data",
    });
  }
  if (!isObject(value) || typeof value.step !== "number") {
    throw new CsrmError(`expected an object with a number "step" at ${place}, got ${line.slice(0, 60)}`, {
      code: "data",
    });
  }
  return { step: value.step, record: value };
}

function collect(records: readonly { step: number; record: Json }[]): MetricsLog {
  const losses = new Map<string, Series>();
  const others = new Map<string, Series>();
  const times: number[] = [];
  for (const { step, record } of records) {
    for (const [name, value] of numbersOf(record)) {
      if (name === "step") continue;
      if (name === "time") times.push(value);
      else if (name.startsWith("losses.")) add(losses, name.slice("losses.".length), step, value);
      else add(others, name, step, value);
    }
  }
  return {
    losses: [...losses.values()],
    others: [...others.values()],
    lastStep: records.at(-1)?.step ?? null,
    seconds: times.length > 0 ? elapsed(times) : null,
  };
}

/** "time" counts seconds since the process began the stage, so it starts anew where a stage was resumed. */
function elapsed(times: readonly number[]): number {
  let total = 0;
  let before = 0;
  for (const time of times) {
    total += time >= before ? time - before : time;
    before = time;
  }
  return total;
}

function add(into: Map<string, Series>, name: string, step: number, value: number): void {
  let series = into.get(name);
  if (!series) {
    series = { name, steps: [], values: [] };
    into.set(name, series);
  }
  series.steps.push(step);
  series.values.push(value);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
