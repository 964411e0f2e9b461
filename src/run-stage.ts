/** One stage of a run: its folder, its metrics, and whether it is done. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CsrmError, expected, messageOf, show } from "./errors.ts";
import { makeFolders, readTextSync, writeFileAtomicSync } from "./files.ts";
import { MetricsWriter } from "./metrics-writer.ts";

export const stageNames = ["pretrain", "train", "predict", "refine", "verify", "evaluate"] as const;
export type StageName = (typeof stageNames)[number];

/** A stage's folder: RUN/<stage>/{done.json, metrics.jsonl, checkpoints/}. */
export class Stage {
  readonly name: StageName;
  readonly path: string;

  constructor(name: StageName, path: string) {
    this.name = name;
    this.path = path;
    makeFolder(path);
  }

  get checkpoints(): string {
    return join(this.path, "checkpoints");
  }

  get metricsFile(): string {
    return join(this.path, "metrics.jsonl");
  }

  /** What `finish` was given when the stage was finished before, else null. */
  results<Results = unknown>(): Results | null {
    const file = this.#doneFile;
    if (!existsSync(file)) return null;
    const { results } = readJson(file) as { results?: Results };
    if (results === undefined)
      throw expected("the results of a finished stage", file, "none", "delete it to do the stage again");
    return results;
  }

  /** Marks the stage as done, so that it is not done again. `results` must survive JSON. */
  finish(results: object): void {
    writeJson(this.#doneFile, { stage: this.name, finished: new Date().toISOString(), results });
  }

  /** Opens metrics.jsonl. @param resumedStep see MetricsWriter */
  metrics(resumedStep: number | null): MetricsWriter {
    return new MetricsWriter(this.metricsFile, resumedStep);
  }

  get #doneFile(): string {
    return join(this.path, "done.json");
  }
}

/** @throws CsrmError (code "file") naming the folder */
export function makeFolder(path: string): void {
  try {
    makeFolders(resolve(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reason = REASONS[code] ?? messageOf(error);
    throw new CsrmError(`cannot make the folder ${path}: ${reason}; choose another --out`, {
      code: "file",
      cause: error,
    });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "a file of that name is in the way",
  ENOTDIR: "a part of the path is a file",
  EACCES: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "disk full",
  // What Node says of a read-only file system when it is to make the folders above as well.
  ENOENT: "no folder can be made there, as on a read-only file system",
};

export function writeJson(file: string, value: unknown): void {
  writeFileAtomicSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** Reads a JSON object. @throws CsrmError (code "file") naming the file when it is no JSON */
export function readJson(file: string): Record<string, unknown> {
  const text = readTextSync(file);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    throw new Error("it is no object");
  } catch (error) {
    throw new CsrmError(`expected JSON in ${file}, got ${show(text.slice(0, 60))}: ${messageOf(error)}`, {
      code: "file",
    });
  }
}
