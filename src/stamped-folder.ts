/** A folder of results that were all made with the same settings, which settings.json in it tells. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { CsrmError, messageOf, show } from "./errors.ts";
import { isTemporary, removeAbandoned } from "./files.ts";
import { makeFolder, readJson, writeJson } from "./run-stage.ts";

/** Anything that survives JSON. */
export type Settings = Readonly<Record<string, unknown>>;

export interface StampOptions {
  /** Move what is there aside and begin anew: always, or only when it was made with other settings. Default: neither. */
  fresh?: boolean | "if-other";
  /** Told where the old folder went. */
  note?: (text: string) => void;
}

const STAMP = "settings.json";

/**
 * Makes a folder for results, or checks that what is in it was made with the same settings, so that work can go on
 * there. What killed processes left half written in it is cleared away.
 * @throws CsrmError (code "config") listing the settings that differ; (code "file") when it holds files of other origin
 */
export function openStamped(path: string, settings: Settings, { fresh = false, note }: StampOptions = {}): void {
  makeFolder(path);
  const found = fresh === true ? null : stampOf(path);
  if (found) {
    const differences = diff(found, settings);
    if (differences.length === 0) {
      removeAbandoned(path);
      return;
    }
    if (!fresh) throw otherSettings(path, differences);
  }
  // What an interrupted write leaves is nobody's property.
  const names = readdirSync(path).filter((name) => !isTemporary(name));
  if (names.length > 0) {
    if (!existsSync(join(path, STAMP))) {
      throw new CsrmError(
        `${path} holds files (${names[0]}) but no ${STAMP}, so they are not from csrm; choose another --out`,
        { code: "file" },
      );
    }
    const old = moveAside(path);
    note?.(`kept the old results as ${old}`);
    makeFolder(path);
  }
  removeAbandoned(path);
  writeJson(join(path, STAMP), settings);
}

/** The settings that the files of a folder were made with; null where nothing tells. */
export function stampOf(path: string): Settings | null {
  const file = join(path, STAMP);
  return existsSync(file) ? readJson(file) : null;
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

function otherSettings(path: string, differences: readonly string[]): CsrmError {
  return new CsrmError(
    `${path} was made with other settings (there → now):\n${differences.join("\n")}\n` +
      "choose another --out, or say --fresh to begin anew and keep the old results aside",
    { code: "config" },
  );
}

function moveAside(path: string): string {
  let old = `${path}.old`;
  for (let i = 2; existsSync(old); i++) old = `${path}.old-${i}`;
  try {
    renameSync(path, old);
  } catch (error) {
    throw new CsrmError(`cannot move ${path} to ${old}: ${messageOf(error)}`, { code: "file", cause: error });
  }
  return old;
}
