/**
 * A pickle reader that never executes anything: it rebuilds plain data and only those named objects that the caller
 * allows, each by a function written here. Protocols 0 to 4.
 */

import { narrow, PickleCursor } from "./pickle-cursor.ts";
import { PickleMachine, type UnpickleOptions } from "./pickle-machine.ts";

/**
 * Rebuilds the pickled value: None → null, int → number or (beyond 2^53) bigint, str → string, bytes → Uint8Array,
 * list and tuple → array, dict → Map, set → Set. A Python 2 str becomes a string with one character per byte.
 * @throws CsrmError (code "data") naming the file on damage, a forbidden object or an unsupported instruction
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): unknown {
  return unpickleFirst(bytes, options).value;
}

/** The same where more may follow: the value, and where the pickle ends. */
export function unpickleFirst(bytes: Uint8Array, options: UnpickleOptions): { value: unknown; end: number } {
  const machine = new PickleMachine(new PickleCursor(bytes, options.name), options);
  for (;;) {
    const code = machine.input.uint8();
    if (code === STOP) return { value: machine.pop(), end: machine.input.position };
    const instruction = INSTRUCTIONS.get(code);
    if (!instruction) throw machine.input.fail(`instruction 0x${code.toString(16)} is not allowed or not known`);
    instruction(machine);
  }
}

const STOP = ".".charCodeAt(0);
/** What each instruction does, by its character or code; the names are those of Python's pickletools. */
const INSTRUCTIONS = new Map<number, (m: PickleMachine) => void>(
  (
    [
      [0x80, (m) => protocol(m)],
      [0x95, (m) => void m.input.take(8)], // FRAME: only a hint for buffering
      ["(", (m) => m.mark()],
      ["0", (m) => m.drop()],
      ["1", (m) => void m.popToMark()],
      ["2", (m) => m.push(m.top())],
      ["N", (m) => m.push(null)],
      [0x88, (m) => m.push(true)],
      [0x89, (m) => m.push(false)],
      ["I", (m) => m.push(integerLine(m))],
      ["J", (m) => m.push(m.input.int32())],
      ["K", (m) => m.push(m.input.uint8())],
      ["M", (m) => m.push(m.input.uint16())],
      ["L", (m) => m.push(integerLine(m))],
      [0x8a, (m) => m.push(m.input.long(m.input.uint8()))],
      [0x8b, (m) => m.push(m.input.long(m.input.uint32()))],
      ["F", (m) => m.push(floatLine(m))],
      ["G", (m) => m.push(m.input.float64())],
      ["S", (m) => m.push(quotedLine(m))],
      ["T", (m) => m.push(m.input.latin1(m.input.uint32()))],
      ["U", (m) => m.push(m.input.latin1(m.input.uint8()))],
      ["B", (m) => m.push(m.input.take(m.input.uint32()))],
      ["C", (m) => m.push(m.input.take(m.input.uint8()))],
      [0x8e, (m) => m.push(m.input.take(m.input.uint64()))],
      ["V", (m) => m.push(unescapeUnicode(m.input.line()))],
      ["X", (m) => m.push(m.input.utf8(m.input.uint32()))],
      [0x8c, (m) => m.push(m.input.utf8(m.input.uint8()))],
      [0x8d, (m) => m.push(m.input.utf8(m.input.uint64()))],
      ["]", (m) => m.push([])],
      ["l", (m) => m.push(m.popToMark())],
      ["a", (m) => appendOne(m)],
      ["e", (m) => m.append(m.popToMark())],
      [")", (m) => m.push([])],
      ["t", (m) => m.push(m.popToMark())],
      [0x85, (m) => tuple(m, 1)],
      [0x86, (m) => tuple(m, 2)],
      [0x87, (m) => tuple(m, 3)],
      ["}", (m) => m.push(new Map())],
      ["d", (m) => dictionary(m)],
      ["s", (m) => setOne(m)],
      ["u", (m) => m.setItems(m.popToMark())],
      [0x8f, (m) => m.push(new Set())],
      [0x90, (m) => m.append(m.popToMark())],
      [0x91, (m) => m.push(new Set(m.popToMark()))],
      ["p", (m) => m.memoize(lineIndex(m))],
      ["q", (m) => m.memoize(m.input.uint8())],
      ["r", (m) => m.memoize(m.input.uint32())],
      [0x94, (m) => m.memoize()],
      ["g", (m) => m.recall(lineIndex(m))],
      ["h", (m) => m.recall(m.input.uint8())],
      ["j", (m) => m.recall(m.input.uint32())],
      ["c", (m) => m.pushGlobal(`${m.input.line()}.${m.input.line()}`)],
      [0x93, (m) => stackGlobal(m)],
      ["R", (m) => m.call()],
      [0x81, (m) => m.call()],
      ["b", (m) => m.build()],
      ["P", (m) => m.persistent(m.input.line())],
      ["Q", (m) => m.persistent(m.pop())],
    ] satisfies [string | number, (m: PickleMachine) => void][]
  ).map(([code, run]) => [typeof code === "string" ? code.charCodeAt(0) : code, run]),
);

function protocol(m: PickleMachine): void {
  const version = m.input.uint8();
  if (version > 4) throw m.input.fail(`protocol ${version} is not supported; save it with protocol 4`);
}

function appendOne(m: PickleMachine): void {
  const value = m.pop();
  m.append([value]);
}

function setOne(m: PickleMachine): void {
  const value = m.pop();
  const key = m.pop();
  m.setItems([key, value]);
}

function tuple(m: PickleMachine, length: number): void {
  const items: unknown[] = [];
  for (let i = 0; i < length; i++) items.unshift(m.pop());
  m.push(items);
}

function dictionary(m: PickleMachine): void {
  const pairs = m.popToMark();
  m.push(new Map());
  m.setItems(pairs);
}

function stackGlobal(m: PickleMachine): void {
  const name = m.text(m.pop());
  m.pushGlobal(`${m.text(m.pop())}.${name}`);
}

function lineIndex(m: PickleMachine): number {
  const text = m.input.line();
  if (!/^\d{1,15}$/.test(text)) throw m.input.fail(`${JSON.stringify(text)} is not a number`);
  return Number(text);
}

// Protocols 0 and 1 write booleans as the integers 01 and 00.
function integerLine(m: PickleMachine): number | bigint | boolean {
  const text = m.input.line().replace(/L$/, "");
  if (text === "01" || text === "00") return text === "01";
  if (!/^-?\d{1,4096}$/.test(text)) throw m.input.fail(`${JSON.stringify(text)} is not a whole number`);
  return narrow(BigInt(text));
}

function floatLine(m: PickleMachine): number {
  const text = m.input.line();
  const special: Record<string, number> = { nan: Number.NaN, inf: Infinity, "-inf": -Infinity };
  const value = special[text] ?? (/^[-+\d.e]+$/i.test(text) ? Number(text) : Number.NaN);
  if (Number.isNaN(value) && text !== "nan") throw m.input.fail(`${JSON.stringify(text)} is not a number`);
  return value;
}

/** A Python 2 string literal, e.g. 'a\x00b'. */
function quotedLine(m: PickleMachine): string {
  const text = m.input.line();
  const quote = text[0];
  if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote) {
    throw m.input.fail("a text has no quotes");
  }
  const plain: Record<string, string> = { n: "\n", r: "\r", t: "\t" };
  return text.slice(1, -1).replace(/\\(x[\da-fA-F]{2}|.)/g, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return plain[code] ?? code;
  });
}

function unescapeUnicode(text: string): string {
  return text.replace(/\\u([\da-fA-F]{4})|\\U([\da-fA-F]{8})/g, (whole, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long!, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
