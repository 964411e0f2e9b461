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
    const at = faultIn(text);
    const lines = text.slice(0, at).split(/\r\n|\n|\r/);
    const place = `line ${lines.length}, column ${lines.at(-1)!.length + 1}`;
    throw new CsrmError(`cannot read ${name} as JSON: ${place}: ${reason(text, at)}`, { code: "data" });
  }
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

/** Where a text that is no JSON stops being a beginning of JSON. */
function faultIn(text: string): number {
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
