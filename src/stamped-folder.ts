/** A folder of results that were all made with the same settings, which settings.json in it tells. */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { CsrmError, messageOf, show } from "./errors.ts";
import { createFileSync, isTemporary, removeAbandoned } from "./files.ts";
import { isLock, lockFolder, type RunLock } from "./run-lock.ts";
import { makeFolder, readJson } from "./run-stage.ts";
import { type Shard, WHOLE } from "./shard.ts";

/** Anything that survives JSON. */
export type Settings = Readonly<Record<string, unknown>>;

export interface StampOptions {
  /** Move what is there aside and begin anew: always, or only when it was made with other settings. Default: neither. */
  fresh?: boolean | "if-other";
  /** Told where the old folder went. */
  note?: (text: string) => void;
  /** What to do about other settings, where --fresh is no choice. */
  advice?: string;
}

const STAMP = "settings.json";

/**
 * Makes a folder for results, or checks that what is in it was made with the same settings, so that work can go on
 * there. What killed processes left half written in it is cleared away. Several processes may do so at once: one of them
 * writes the settings, the others compare theirs with them.
 * @returns whether what was there was moved aside
 * @throws CsrmError (code "config") listing the settings that differ; (code "file") when it holds files of other origin
 */
export function openStamped(path: string, settings: Settings, options: StampOptions = {}): boolean {
  const { fresh = false, note, advice } = options;
  makeFolder(path);
  const stamped = existsSync(join(path, STAMP));
  // Whoever begins anew need not be able to read the old settings.
  if (stamped && fresh !== true) {
    const differences = diff(readJson(join(path, STAMP)), settings);
    if (differences.length === 0) {
      removeAbandoned(path);
      return false;
    }
    if (!fresh) throw otherSettings(path, differences, advice);
  }
  // What an interrupted write or start leaves is nobody's property.
  const names = readdirSync(path).filter((name) => !isTemporary(name) && !isLock(name));
  if (!stamped) {
    // Somebody else began here since we looked.
    if (names.includes(STAMP)) return openStamped(path, settings, options);
    if (names.length > 0) {
      throw new CsrmError(
        `${path} holds files (${names[0]}) but no ${STAMP}, so they are not from csrm; choose another --out`,
        { code: "file" },
      );
    }
  } else {
    const old = moveAside(path);
    note?.(`kept the old results as ${old}`);
    makeFolder(path);
  }
  removeAbandoned(path);
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  if (!createFileSync(join(path, STAMP), text)) return openStamped(path, settings, { note, advice });
  return stamped;
}

/**
 * Locks a folder for results, or a shard's part of it, and opens it as `openStamped` does.
 * @returns the lock, to be released when the work is over
 * @throws CsrmError as `openStamped`; (code "locked") when another process is at work there
 */
export function lockStamped(
  path: string,
  settings: Settings,
  { shard = WHOLE, ...options }: StampOptions & { shard?: Shard } = {},
): RunLock {
  const { note = () => {} } = options;
  makeFolder(path);
  const lock = lockFolder(path, note, shard);
  try {
    if (!openStamped(path, settings, options)) return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
  // Old results took the lock along.
  lock.release();
  return lockFolder(path, note, shard);
}

/** The settings that the files of a folder were made with; null where nothing tells. */
export function stampOf(path: string): Settings | null {
  const file = join(path, STAMP);
  return existsSync(file) ? readJson(file) : null;
}

/** How the settings of a folder differ from these, a line each; null where nothing tells them. */
export function differencesTo(path: string, settings: Settings): string[] | null {
  const found = stampOf(path);
  return found && diff(found, settings);
}

/** @throws CsrmError as `openStamped` for results of other settings; nothing is touched, and there need not be any results yet */
export function assertStamped(path: string, settings: Settings, advice?: string): void {
  const differences = differencesTo(path, settings) ?? [];
  if (differences.length > 0) throw otherSettings(path, differences, advice);
}

/** Whether a path is that of a folder's settings, not of a result. */
export function isStamp(path: string): boolean {
  return basename(path) === STAMP;
}

function diff(found: Settings, settings: Settings): string[] {
  const now = JSON.parse(JSON.stringify(settings)) as Settings;
  const keys = [...new Set([...Object.keys(found), ...Object.keys(now)])];
  return keys
    .filter((key) => JSON.stringify(found[key]) !== JSON.stringify(now[key]))
    .map((key) => `  ${key}: ${show(found[key])} → ${show(now[key])}`);
}

const ADVICE = "choose another --out, or say --fresh to begin anew and keep the old results aside";

function otherSettings(path: string, differences: readonly string[], advice = ADVICE): CsrmError {
  return new CsrmError(`${path} was made with other settings (there → now):\n${differences.join("\n")}\n${advice}`, {
    code: "config",
  });
}

function moveAside(path: string): string {
  let old = `${path}.old`;
  for (let i = 2; existsSync(old); i++) old = `${path}.old-${i}`;
  try {
    renameSync(path, old);
  } catch (error) {
    throw new CsrmError(`cannot move ${path} to ${old}: ${messageOf(error)}`, { code: "file", cause: error });
  }
  for (const name of readdirSync(old)) if (isLock(name)) rmSync(join(old, name), { force: true });
  return old;
}
