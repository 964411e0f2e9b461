/** TensorBoard's events of a training stage, beside its metrics.jsonl: the same numbers, one file a process that trained. */
import { appendFileSync, readdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeError } from "../files.ts";
import { scalarsRecord, sessionStartRecord, versionRecord } from "../formats/tfevents.ts";
import { type MetricsRecord, numbersOf } from "../metrics-writer.ts";

export interface EventsOptions {
  /** Milliseconds since 1970. */
  now?: () => number;
}

export class EventsWriter {
  readonly #folder: string;
  readonly #resumedStep: number;
  readonly #now: () => number;
  #file: string | null = null;

  /**
   * @param folder the stage's; a file is made with the first record, and none where nothing is trained any more
   * @param resumedStep steps that the resumed state has done; what earlier files say of later ones does not count any longer
   */
  constructor(folder: string, resumedStep: number, { now = Date.now }: EventsOptions = {}) {
    this.#folder = folder;
    this.#resumedStep = resumedStep;
    this.#now = now;
  }

  /** @throws CsrmError (code "file") naming the file, e.g. when the disk is full */
  append(record: MetricsRecord): void {
    const time = { wallTime: this.#now() / 1000, step: record.step };
    const begin: Uint8Array[] = [];
    if (this.#file === null) {
      this.#file = path.join(this.#folder, nameAfter(this.#folder, Math.floor(time.wallTime)));
      begin.push(versionRecord(time.wallTime), sessionStartRecord({ ...time, step: this.#resumedStep + 1 }));
    }
    try {
      appendFileSync(this.#file, Buffer.concat([...begin, scalarsRecord(time, scalarsOf(record))]));
    } catch (error) {
      throw writeError(this.#file, error);
    }
  }
}

/** "losses.s2c" is the tag "losses/s2c"; the step and the seconds are TensorBoard's own axes. */
function* scalarsOf(record: MetricsRecord): Generator<[string, number]> {
  for (const [name, value] of numbersOf(record)) {
    if (name !== "step" && name !== "time") yield [name.replaceAll(".", "/"), value];
  }
}

/** TensorBoard reads the files of a folder in the order of their names, so the seconds in a later one's are higher. */
function nameAfter(folder: string, seconds: number): string {
  const earlier = readdirSync(folder).flatMap((name) => /^events\.out\.tfevents\.(\d{10})\./.exec(name)?.[1] ?? []);
  const stamp = Math.max(seconds, ...earlier.map((each) => Number(each) + 1));
  return `events.out.tfevents.${String(stamp).padStart(10, "0")}.${os.hostname()}.${process.pid}`;
}
