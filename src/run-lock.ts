/** One process at a time in a run folder: a lock file with the holder's process id. A lock whose process is gone is taken over. */
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { CsrmError } from "./errors.ts";

interface Holder {
  pid: number;
  host: string;
  /** When the process began, in the kernel's own terms: process ids are used again, above all in containers. */
  birth: string | null;
  since: string;
}

export interface RunLock {
  /** Removes the lock; also done when the process exits. Calling it again does nothing. */
  release(): void;
}

/**
 * Takes the lock of a folder that exists.
 * @param note told when a lock of a process that is gone was taken over
 * @throws CsrmError (code "locked") naming the process that works in the folder
 */
export function lockFolder(folder: string, note: (text: string) => void): RunLock {
  const file = lockFile(folder);
  const own: Holder = {
    pid: process.pid,
    host: os.hostname(),
    birth: birthOf(process.pid),
    since: new Date().toISOString(),
  };
  const text = `${JSON.stringify(own)}\n`;
  // A lock can go or be taken between looking and acting, so a few rounds; each ends in the lock, an error or new facts.
  for (let round = 0; !create(file, text); round++) {
    const found = readIfThere(file);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (round > 5 || (holder === null ? isYoung(file) : isAlive(holder))) throw heldBy(holder, folder, file);
    if (removeStale(file, found)) note(`took over ${folder} from process ${holder?.pid ?? "?"}, which is gone`);
  }
  const release = () => {
    process.off("exit", release);
    if (readIfThere(file) === text) rmSync(file, { force: true });
  };
  process.once("exit", release);
  return { release };
}

export function lockFile(folder: string): string {
  return join(folder, ".lock");
}

function create(file: string, text: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(file, "wx");
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw new CsrmError(`cannot write ${file}: ${codeOf(error)}`, { code: "file", cause: error });
  }
  try {
    writeSync(descriptor, text);
  } catch (error) {
    rmSync(file, { force: true });
    const reason = codeOf(error) === "ENOSPC" ? "disk full" : codeOf(error);
    throw new CsrmError(`cannot write ${file}: ${reason}`, { code: "file", cause: error });
  } finally {
    closeSync(descriptor);
  }
  return true;
}

/** Renaming first makes sure that only one of two processes removes the lock that both found stale. */
function removeStale(file: string, expected: string): boolean {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
  if (readFileSync(aside, "utf8") === expected) {
    rmSync(aside);
    return true;
  }
  renameSync(aside, file);
  return false;
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new CsrmError(`cannot read ${file}: ${codeOf(error)}`, { code: "file", cause: error });
  }
}

function parseHolder(text: string): Holder | null {
  try {
    const value = JSON.parse(text) as Holder;
    return typeof value.pid === "number" && typeof value.host === "string" ? value : null;
  } catch {
    return null;
  }
}

/** Milliseconds within which a lock's text follows its file. */
const BIRTH = 5000;

/** Whether a file that names no holder may be a lock just being written; an old one, e.g. cut off by a full disk, is nobody's. */
function isYoung(file: string): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < BIRTH;
}

/** A process on another machine counts as alive. */
function isAlive(holder: Holder): boolean {
  if (holder.host !== os.hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
  }
  return holder.birth === null || holder.birth === birthOf(holder.pid);
}

/** Boot id and start time of a process on Linux; null elsewhere or when there is no such process. */
function birthOf(pid: number): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field, the program's name, is in parentheses and may hold spaces; the start time is field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
}

function heldBy(holder: Holder | null, folder: string, file: string): CsrmError {
  const who = holder ? `process ${holder.pid} on ${holder.host} (since ${holder.since})` : "another process";
  const remote = holder && holder.host !== os.hostname() ? `; if nothing runs there any more, delete ${file}` : "";
  return new CsrmError(`${who} is at work in ${folder}${remote}; wait for it or choose another --out`, {
    code: "locked",
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
