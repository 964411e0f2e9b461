/** Files written whole or not at all: a temporary file in the same folder, synced to disk, then renamed over the target. */

import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import { dirname, join, resolve } from "node:path";
import { CsrmError, messageOf } from "./errors.ts";

/** What may be written: text, bytes, or several pieces of bytes one after the other (spares joining large buffers). */
export type FileData = string | Uint8Array | readonly Uint8Array[];

/**
 * Writes a file atomically and makes its folder where absent. A reader sees the old file or the new one, never a part.
 * @throws CsrmError (code "file") naming the file; a full disk or quota is named so. The temporary file is removed.
 */
export async function writeFileAtomic(path: string, data: FileData): Promise<void> {
  const temporary = temporaryName(path);
  let handle: fs.promises.FileHandle | undefined;
  try {
    makeFolders(resolve(dirname(path)));
    handle = await fs.promises.open(temporary, "wx");
    for (const piece of pieces(data)) {
      for (let done = 0; done < piece.byteLength; ) {
        done += (await handle.write(piece, done, Math.min(piece.byteLength - done, MAX_WRITE))).bytesWritten;
      }
    }
    await handle.sync();
    await handle.close();
    await fs.promises.rename(temporary, path);
  } catch (error) {
    await handle?.close().catch(() => {});
    await fs.promises.rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, error);
  }
}

/** The same as writeFileAtomic, for code that cannot wait: run-folder bookkeeping, signal handlers. */
export function writeFileAtomicSync(path: string, data: FileData): void {
  const temporary = temporaryName(path);
  let descriptor: number | undefined;
  try {
    makeFolders(resolve(dirname(path)));
    descriptor = fs.openSync(temporary, "wx");
    for (const piece of pieces(data)) {
      for (let done = 0; done < piece.byteLength; ) {
        done += fs.writeSync(descriptor, piece, done, Math.min(piece.byteLength - done, MAX_WRITE));
      }
    }
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    descriptor = undefined;
    fs.renameSync(temporary, path);
  } catch (error) {
    try {
      if (descriptor !== undefined) fs.closeSync(descriptor);
      fs.rmSync(temporary, { force: true });
    } catch {
      // The first error says what went wrong; a failed clean-up must not hide it.
    }
    throw writeError(path, error);
  }
}

/**
 * Writes a file whole or not at all, unless there is one already: of several processes that do so at once, one does.
 * @returns whether this call wrote it
 * @throws CsrmError (code "file") as writeFileAtomic
 */
export function createFileSync(path: string, data: FileData): boolean {
  const whole = temporaryName(path);
  writeFileAtomicSync(whole, data);
  try {
    fs.linkSync(whole, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    // A file system without second names: of writers at the very same moment the last one stays.
    if (fs.existsSync(path)) return false;
    writeFileAtomicSync(path, data);
    return true;
  } finally {
    fs.rmSync(whole, { force: true });
  }
}

/** Removes what writers that were killed left in a folder, which may be absent; nobody else may be writing there. */
export function removeTemporaries(folder: string): void {
  if (!fs.existsSync(folder)) return;
  for (const name of fs.readdirSync(folder)) if (isTemporary(name)) fs.rmSync(join(folder, name), { force: true });
}

/**
 * Removes what writers that were killed left in a folder, which may be absent, and in those below it. Others may be writing there: a
 * temporary file goes when its process is no more on this machine, or when it has not changed for a day.
 */
export function removeAbandoned(folder: string): void {
  if (!fs.existsSync(folder)) return;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !isTemporary(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    if (isAbandoned(path, entry.name)) fs.rmSync(path, { force: true });
  }
}

function isAbandoned(path: string, name: string): boolean {
  const changed = fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (changed === undefined) return false;
  if (Date.now() - changed > DAY) return true;
  const [, machine, pid] = /^\.csrm-([0-9a-f]{8})-(\d+)-/.exec(name) ?? [];
  // Process ids of another machine or container mean nothing here.
  if (machine !== MACHINE) return false;
  // A container that starts again often gives the same id again.
  if (Number(pid) === process.pid) return changed < performance.timeOrigin;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return codeOf(error) === "ESRCH";
  }
}

/** Whether a file of this name is one that is being written, or was when its process ended. */
export function isTemporary(name: string): boolean {
  return /^\.csrm-.*\.tmp$/.test(name);
}

/**
 * Makes a folder and those above it where absent. Not mkdir's own recursion: Node's never ends below a folder that refuses children
 * as absent, such as /proc.
 */
export function makeFolders(path: string): void {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(path) !== path) makeFolders(dirname(path));
  try {
    fs.mkdirSync(path);
  } catch (error) {
    // Another process may have been faster.
    if (!fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Gives a file a second name without a copy, in one move over what had it. @returns false where the file system cannot */
export function linkFileSync(from: string, to: string): boolean {
  const temporary = temporaryName(to);
  try {
    fs.linkSync(from, temporary);
    fs.renameSync(temporary, to);
    return true;
  } catch {
    return false;
  } finally {
    // Moving one name of a file over another of the same file does nothing and leaves both.
    fs.rmSync(temporary, { force: true });
  }
}

/** Reads a file as bytes. @throws CsrmError (code "file") naming the file and whether it is missing or unreadable. */
export async function readFileBytes(path: string): Promise<Uint8Array> {
  try {
    return await fs.promises.readFile(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/** Reads a UTF-8 text file without its byte order mark. @throws CsrmError (code "file") as readFileBytes. */
export function readTextSync(path: string): string {
  try {
    return fs.readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    throw readError(path, error);
  }
}

/** Turns a failed read into an error that names the file and the reason. */
export function readError(path: string, error: unknown): CsrmError {
  const reasons: Record<string, string> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of the path is not a folder",
  };
  const reason = reasons[codeOf(error)] ?? messageOf(error);
  return new CsrmError(`cannot read ${path}: ${reason}`, { code: "file", cause: error });
}

// Linux moves at most 2^31 − 4096 bytes in one write call; Node refuses lengths above 2^31 − 1.
const MAX_WRITE = 2 ** 30;

const DAY = 86_400_000;
/** Tells machines that share a folder apart. */
const MACHINE = createHash("sha256").update(os.hostname()).digest("hex").slice(0, 8);

/**
 * A name for what is written before it gets its own. It holds neither the target's name (whose length may already be at the limit) nor a
 * clock, but whose it is.
 */
export function temporaryName(path: string, pid = process.pid): string {
  return join(dirname(path), `.csrm-${MACHINE}-${pid}-${randomBytes(6).toString("hex")}.tmp`);
}

function pieces(data: FileData): readonly Uint8Array[] {
  if (typeof data === "string") return [Buffer.from(data, "utf8")];
  return data instanceof Uint8Array ? [data] : data;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Turns a failed write into an error that names the file and the reason. */
export function writeError(path: string, error: unknown): CsrmError {
  const reasons: Record<string, string> = {
    ENOSPC: "disk full; free some space or choose another output folder",
    EDQUOT: "disk full (quota reached); free some space or choose another output folder",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    EISDIR: "a folder of that name is in the way",
    ENOTDIR: "a part of the path is not a folder",
    EEXIST: "a part of the path is not a folder",
    ENOENT: "no folder can be made there",
  };
  const reason = reasons[codeOf(error)] ?? messageOf(error);
  return new CsrmError(`cannot write ${path}: ${reason}`, { code: "file", cause: error });
}
