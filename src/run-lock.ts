/**
 * One process at a time in a folder, or one a shard: a lock file with the holder's process id. A lock whose process is gone is taken over.
 */
import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { CsrmError } from "./errors.ts";
import { type Shard, shardName, WHOLE } from "./shard.ts";

interface Holder {
  pid: number;
  host: string;
  /** When the process began, in the kernel's own terms: process ids are used again, above all in containers. */
  birth: string | null;
  since: string;
  /** The holder touches its lock every minute, so that its end is noticed on other machines too. */
  beats?: boolean;
}

export interface RunLock {
  /** Removes the lock; also done when the process exits. Calling it again does nothing. */
  release(): void;
}

/**
 * Takes the lock of a folder that exists. Shards of the same size work side by side, each with a lock of its own; a shard beside a process
 * that does all of the work, or beside shards of another size, is refused.
 * @param note told when a lock of a process that is gone was taken over
 * @throws CsrmError (code "locked") naming the process that works in the folder
 */
export function lockFolder(folder: string, note: (text: string) => void, shard: Shard = WHOLE): RunLock {
  const file = lockFile(folder, shard);
  const sharded = shard.size > 1;
  const own: Holder = {
    pid: process.pid,
    host: os.hostname(),
    birth: birthOf(process.pid),
    since: new Date().toISOString(),
    ...(sharded ? { beats: true } : {}),
  };
  const text = `${JSON.stringify(own)}\n`;
  take(file, text, { folder, note, shard });
  const beat = sharded ? setInterval(() => touch(file), BEAT) : null;
  beat?.unref();
  const release = () => {
    process.off("exit", release);
    if (beat) clearInterval(beat);
    if (readIfThere(file) === text) rmSync(file, { force: true });
  };
  process.once("exit", release);
  try {
    // Taken first, looked around afterwards: of two that exclude each other at least one sees the other.
    refuseOthers(folder, shard);
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

/** Seconds that a lock is waited for which is held for a moment only. */
const PATIENCE = 10;

/** As `lockFolder`, for work that takes a moment wherever it is done: waits for others who do the same. */
export async function lockSoon(folder: string): Promise<RunLock> {
  const deadline = performance.now() + PATIENCE * 1000;
  for (;;) {
    try {
      return lockFolder(folder, () => {});
    } catch (error) {
      if (!(error instanceof CsrmError && error.code === "locked") || performance.now() > deadline) throw error;
    }
    await setTimeout(50);
  }
}

/** The lock of all of a folder, or of a shard: .lock, .lock-2-of-8. */
export function lockFile(folder: string, { rank, size }: Shard = WHOLE): string {
  return join(folder, size > 1 ? `.lock-${rank + 1}-of-${size}` : ".lock");
}

/** Whether a file of this name is a lock, or was one. */
export function isLock(name: string): boolean {
  return name.startsWith(".lock");
}

interface Wanted {
  folder: string;
  note: (text: string) => void;
  shard: Shard;
}

function take(file: string, text: string, { folder, note, shard }: Wanted): void {
  // A lock can go or be taken between looking and acting, so a few rounds; each ends in the lock, an error or new facts.
  for (let round = 0; !create(file, text); round++) {
    const found = readIfThere(file);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (round > 5 || isHeld(file, holder)) throw heldBy(holder, { folder, file, shard });
    if (removeStale(file, found, { text, folder, shard }))
      note(`took over ${folder} from process ${holder?.pid ?? "?"}, which is gone`);
  }
}

/** @throws CsrmError when a live process has a lock that cannot be beside this one */
function refuseOthers(folder: string, shard: Shard): void {
  for (const name of readdirSync(folder)) {
    const found = /^\.lock(?:-(\d+)-of-(\d+))?$/.exec(name);
    const size = Number(found?.[2] ?? 1);
    if (!found || size === shard.size) continue;
    const file = join(folder, name);
    const text = readIfThere(file);
    const holder = text === null ? null : parseHolder(text);
    if (text === null || !isHeld(file, holder)) continue;
    throw heldBy(holder, { folder, file, shard: { rank: Number(found[1] ?? 1) - 1, size } });
  }
}

/** Milliseconds between two signs of life, and without one after which a shard's process on another machine is taken for gone. */
const [BEAT, GONE] = [60_000, 900_000];

function touch(file: string): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Taken over after a long pause, or the file system is away for a moment; neither spoils results that are written whole.
  }
}

/** A lock whose text names nobody is held while it is young: the text follows its file. */
function isHeld(file: string, holder: Holder | null): boolean {
  if (holder === null) return isYounger(file, BIRTH);
  // A process on another machine counts as alive, unless it was to give signs of life.
  if (holder.host !== os.hostname()) return holder.beats ? isYounger(file, GONE) : true;
  return isAlive(holder);
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

/**
 * Removes a lock that was found stale, if it still is that one. One process at a time does so, under a lock of its own: what another one has
 * taken since must not be removed.
 * @returns whether it did
 */
function removeStale(file: string, expected: string, own: { text: string; folder: string; shard: Shard }): boolean {
  const turn = `${file}.turn`;
  take(turn, own.text, { ...own, note: () => {} });
  try {
    if (readIfThere(file) !== expected) return false;
    rmSync(file);
    return true;
  } finally {
    rmSync(turn, { force: true });
  }
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

function isYounger(file: string, age: number): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < age;
}

/** Whether a process of this machine is still there. */
function isAlive(holder: Holder): boolean {
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

function heldBy(holder: Holder | null, { folder, file, shard }: Omit<Wanted, "note"> & { file: string }): CsrmError {
  const who = holder ? `process ${holder.pid} on ${holder.host} (since ${holder.since})` : "another process";
  const what = shard.size > 1 ? `shard ${shardName(shard)} in ${folder}` : folder;
  const remote = holder && holder.host !== os.hostname() ? `; if nothing runs there any more, delete ${file}` : "";
  return new CsrmError(
    `${who} is at work ${shard.size > 1 ? "on" : "in"} ${what}${remote}; wait for it or choose another --out`,
    {
      code: "locked",
    },
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
