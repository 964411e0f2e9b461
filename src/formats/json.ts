/** JSON with errors that say where: the runtime's own parser, and a second look at what it refused. */

import { CsrmError } from "../errors.ts";

/**
 * Parses a JSON text.
 * @param name the file's name, for messages
 * @throws CsrmError (code "data") with the line and column, both from 1, at which the text stops being JSON
 */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const at = scan(text);
    const lines = text.slice(0, at).split(/\r\n|\n|\r/);
    const place = `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
    throw new CsrmError(`cannot read ${name} as JSON: ${place}: ${reason(text, at)}`, { code: "data" });
  }
}

/**
 * A key that the outermost object of a JSON text has twice, of which the parser keeps the last value without a word.
 * @param text valid JSON
 * @returns the first such key with the line of its repetition; null when there is none
 */
export function repeatedKey(text: string): { key: string; line: number } | null {
  const seen = new Set<string>();
  let found: { key: string; line: number } | null = null;
  scan(text, ({ open, wanted }, start, end) => {
    if (found !== null || open.length !== 1 || wanted !== "colon") return;
    const key = JSON.parse(text.slice(start, end)) as string;
    if (seen.has(key)) found = { key, line: text.slice(0, start).split("\n").length };
    seen.add(key);
  });
  return found;
}

function reason(text: string, at: number): string {
  if (text.trim() === "") return "it is empty";
  if (at >= text.length) return "the text ends too early";
  if (text[at] === "'") return 'a single quote; names and texts stand in "double quotes"';
  if ("]}".includes(text[at]!) && text.slice(0, at).trimEnd().endsWith(",")) return `a comma stands before ${text[at]}`;
  return `${JSON.stringify(text[at])} cannot stand here`;
}

const WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** What may come next; with "?": or the end of an empty list or object. */
type Wanted = "value" | "value?" | "key" | "key?" | "colon" | "comma" | "end";

interface Reading {
  wanted: Wanted;
  /** The lists and objects that are open, the outermost first. */
  open: ("[" | "{")[];
}

/**
 * Goes through a text until it stops being a beginning of JSON.
 * @param onScalar told of each text, number and word, after it has been taken
 * @returns where it stops, which is the text's length for JSON that is whole or cut off
 */
function scan(text: string, onScalar?: (reading: Reading, start: number, end: number) => void): number {
  const reading: Reading = { wanted: "value", open: [] };
  for (let at = 0; ; ) {
    while (at < text.length && " \t\r\n".includes(text[at]!)) at++;
    if (at >= text.length) return at;
    const first = text[at]!;
    if ("[]{},:".includes(first)) {
      if (!takeMark(reading, first)) return at;
      at++;
    } else {
      if (!takeScalar(reading, first === '"')) return at;
      const { end, whole } = first === '"' ? stringAt(text, at) : wordAt(text, at);
      if (!whole) return end;
      onScalar?.(reading, at, end);
      at = end;
    }
  }
}

/** Where a string ends, or where it stops being one. */
function stringAt(text: string, start: number): { end: number; whole: boolean } {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') {
    if (text[at] === "\\") {
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) return { end: at, whole: false };
      at = ESCAPE.lastIndex;
    } else if (text.charCodeAt(at) < 32) return { end: at, whole: false };
    else at++;
  }
  return at < text.length ? { end: at + 1, whole: true } : { end: at, whole: false };
}

function wordAt(text: string, start: number): { end: number; whole: boolean } {
  WORD.lastIndex = start;
  return WORD.test(text) ? { end: WORD.lastIndex, whole: true } : { end: start, whole: false };
}

/** Moves on past a text, number or word. @returns false where none can stand */
function takeScalar(reading: Reading, isText: boolean): boolean {
  const { wanted } = reading;
  if (wanted === "value" || wanted === "value?") reading.wanted = afterValue(reading);
  else if (isText && (wanted === "key" || wanted === "key?")) reading.wanted = "colon";
  else return false;
  return true;
}

/** Moves on past a bracket, comma or colon. @returns false where it cannot stand */
function takeMark(reading: Reading, mark: string): boolean {
  const { wanted, open } = reading;
  if (mark === "[" || mark === "{") {
    if (wanted !== "value" && wanted !== "value?") return false;
    open.push(mark);
    reading.wanted = mark === "[" ? "value?" : "key?";
  } else if (mark === ":") {
    if (wanted !== "colon") return false;
    reading.wanted = "value";
  } else if (mark === ",") {
    if (wanted !== "comma") return false;
    reading.wanted = open.at(-1) === "[" ? "value" : "key";
  } else {
    const [beginning, empty] = mark === "]" ? ["[", "value?"] : ["{", "key?"];
    if (open.at(-1) !== beginning || (wanted !== "comma" && wanted !== empty)) return false;
    open.pop();
    reading.wanted = afterValue(reading);
  }
  return true;
}

function afterValue({ open }: Reading): Wanted {
  return open.length === 0 ? "end" : "comma";
}
