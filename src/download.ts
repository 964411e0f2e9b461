/** Downloads a file so that a cut connection or a stopped process costs nothing, and only the right file gets its name. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CsrmError, messageOf } from "./errors.ts";
import { makeFolders, readError } from "./files.ts";

export interface DownloadOptions {
  url: string;
  /** The file's name once it is whole and right; until then it is called <to>.part. */
  to: string;
  /** SHA-256 of the file in hexadecimal digits, or their beginning. */
  sha256: string;
  /** Told after every piece; total is null where the server does not say. May throw to stop: the next call goes on. */
  onProgress?(done: number, total: number | null): void;
  /** Fruitless tries in a row before giving up. Default 5. */
  tries?: number;
  /** Milliseconds before the second try; doubled with every other. Default 1000. */
  pause?: number;
  /** Milliseconds without a byte after which a connection counts as dead. Default 30,000. */
  patience?: number;
}

/**
 * @throws CsrmError (code "download") when the server refuses, cannot be reached, or sends another file; the last is deleted
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { url, to, sha256 } = options;
  const part = `${to}.part`;
  makeFolders(dirname(to));
  const resumed = (await sizeOf(part)) > 0;
  await receive(options, part);
  let got = await sha256Of(part);
  if (!got.startsWith(sha256) && resumed) {
    // What lay there may have been of another version, or of another file.
    await rm(part);
    await receive(options, part);
    got = await sha256Of(part);
  }
  if (!got.startsWith(sha256)) {
    await rm(part);
    throw failed(url, `what came has the SHA-256 ${got.slice(0, 16)}… where ${sha256} was expected; it was deleted`);
  }
  await rename(part, to);
}

/** The SHA-256 of a file in hexadecimal digits. @throws CsrmError (code "file") when it cannot be read */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  } catch (error) {
    throw readError(path, error);
  }
  return hash.digest("hex");
}

/** Fills the part until the server says that it is whole. */
async function receive(options: DownloadOptions, part: string): Promise<void> {
  const { tries = 5, pause = 1000, url } = options;
  for (let fruitless = 0; ; ) {
    const before = await sizeOf(part);
    try {
      return await receiveOnce(options, part, before);
    } catch (error) {
      if (error instanceof CsrmError) throw error;
      fruitless = (await sizeOf(part)) > before ? 1 : fruitless + 1;
      if (fruitless >= tries) throw failed(url, reasonOf(error), error);
      await sleep(pause * 2 ** (fruitless - 1));
    }
  }
}

/** One connection. @throws CsrmError for what another try would not mend, anything else when it was cut */
async function receiveOnce(options: DownloadOptions, part: string, start: number): Promise<void> {
  const { url, patience = 30_000, onProgress } = options;
  const dead = new AbortController();
  const alarm = setTimeout(() => dead.abort(new Error(`no data for ${patience / 1000} s`)), patience);
  try {
    const headers: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
    const response = await fetch(url, { headers, signal: dead.signal });
    // Nothing lies beyond what is here: the hash will tell whether it is whole.
    if (response.status === 416 && start > 0) return;
    const { from, total } = placeOf(response, start, url);
    const file = await open(part, from > 0 ? "a" : "w");
    try {
      let done = from;
      for await (const piece of response.body ?? []) {
        alarm.refresh();
        await file.write(piece);
        done += piece.length;
        onProgress?.(done, total);
      }
      if (total !== null && done < total) throw new Error(`the connection ended after ${done} of ${total} bytes`);
      await file.sync();
    } finally {
      await file.close();
    }
  } finally {
    clearTimeout(alarm);
    dead.abort();
  }
}

/** Where in the file the response begins, and how long the file is. */
function placeOf(response: Response, start: number, url: string): { from: number; total: number | null } {
  const { status, statusText, headers } = response;
  const length = headers.get("content-length");
  if (status === 200) return { from: 0, total: length === null ? null : Number(length) };
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
    if (range && Number(range[1]) === start) return { from: start, total: range[2] === "*" ? null : Number(range[2]) };
    throw failed(url, `the server sent the range "${headers.get("content-range")}" where byte ${start} was asked for`);
  }
  // Overload and faults of servers pass; a refusal does not.
  if (status >= 500 || status === 408 || status === 429) throw new Error(`${status} ${statusText}`);
  throw failed(url, `the server answers ${status} ${statusText}`.trimEnd());
}

async function sizeOf(path: string): Promise<number> {
  return existsSync(path) ? (await stat(path)).size : 0;
}

/** fetch hides what happened in the cause of its error. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return messageOf(cause) || String(cause);
}

function failed(url: string, why: string, cause?: unknown): CsrmError {
  return new CsrmError(`cannot download ${url}: ${why}`, { code: "download", cause });
}
