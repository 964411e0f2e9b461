/**
 * The elements of an XML text, one after the other, without building a tree. No entity but the five of XML itself and
 * numbered characters is known, and a document type is not read, so a file cannot make more of itself than it is.
 */

import { CsrmError } from "../errors.ts";

export interface XmlTag {
  /** "empty" stands for an element that begins and ends at once. */
  kind: "open" | "close" | "empty";
  name: string;
  attributes: ReadonlyMap<string, string>;
  /** The names of the elements around it, the outermost first. */
  path: readonly string[];
  /** Line in the file, from 1. */
  line: number;
}

/** Annotations lie five deep; each tag carries its path, so a file of openings alone must end early. */
const MAX_DEPTH = 100;
const NAME = "[\\p{L}_:][\\p{L}\\p{N}_:.-]*";
const ATTRIBUTE = new RegExp(`\\s+(${NAME})\\s*=\\s*(?:"([^"<]*)"|'([^'<]*)')`, "uy");
const OPENING = new RegExp(`<(/?)(${NAME})`, "uy");
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Yields every tag of a well-formed text; comments, CDATA, instructions and the document type are passed over. Takes time
 * in proportion to the text, whatever it holds.
 * @param name the file's name, for messages
 * @throws CsrmError (code "data") with the line: a tag that is no tag, an end without its beginning, a text that is cut off
 */
export function* xmlTags(text: string, name: string): Generator<XmlTag> {
  const path: string[] = [];
  const lines = new LineCounter(text);
  const damaged = (at: number, why: string) => {
    return new CsrmError(`cannot read ${name} as XML: line ${lines.at(at)}: ${why}`, { code: "data" });
  };
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const skipped = PASSED_OVER.find(([begin]) => text.startsWith(begin, at));
    if (skipped) {
      const end = text.indexOf(skipped[1], at + skipped[0].length);
      if (end < 0) throw damaged(at, `${skipped[0]} is never closed by ${skipped[1]}`);
      if (skipped[0] === "<!DOCTYPE" && text.slice(at, end).includes("<!ENTITY")) {
        throw damaged(at, "its document type declares entities, which are not read; write what they stand for instead");
      }
      at = end + skipped[1].length;
      continue;
    }
    const tag = tagAt(text, at);
    if (tag === null) throw damaged(at, `no tag begins with ${JSON.stringify(text.slice(at, at + 20))}`);
    const { kind, name: element, attributes } = tag;
    if (kind === "close" && path.pop() !== element) throw damaged(at, `</${element}> ends what is not open`);
    yield { kind, name: element, attributes, path: [...path], line: lines.at(at) };
    if (kind === "open" && path.push(element) > MAX_DEPTH)
      throw damaged(at, `elements lie more than ${MAX_DEPTH} deep`);
    at = tag.end;
  }
  if (path.length > 0) throw damaged(text.length, `the text is cut off before </${path.at(-1)}>`);
}

const PASSED_OVER = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
  ["<!DOCTYPE", ">"],
] as const;

function tagAt(text: string, at: number): (Pick<XmlTag, "kind" | "name" | "attributes"> & { end: number }) | null {
  OPENING.lastIndex = at;
  const opening = OPENING.exec(text);
  if (!opening) return null;
  const attributes = new Map<string, string>();
  let end = at + opening[0].length;
  for (;;) {
    ATTRIBUTE.lastIndex = end;
    const attribute = ATTRIBUTE.exec(text);
    if (!attribute) break;
    attributes.set(attribute[1]!, decodeEntities(attribute[2] ?? attribute[3]!));
    end += attribute[0].length;
  }
  while (end < text.length && " \t\r\n".includes(text[end]!)) end++;
  const empty = text[end] === "/";
  if (empty) end++;
  if (text[end] !== ">") return null;
  const close = opening[1] === "/";
  if (close && (empty || attributes.size > 0)) return null;
  return { kind: close ? "close" : empty ? "empty" : "open", name: opening[2]!, attributes, end: end + 1 };
}

/** Text with XML's own entities and numbered characters as what they stand for; others stay as they are. */
export function decodeEntities(text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([\da-fA-F]{1,6}));/g, (whole, entity, decimal, hex) => {
    if (entity !== undefined) return ENTITIES[entity as string]!;
    const code = decimal !== undefined ? Number(decimal) : Number.parseInt(hex as string, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Lines of ascending places in a text, counted on from the last one. */
class LineCounter {
  readonly #text: string;
  /** Where the current line ends. */
  #end: number;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
    this.#end = this.#next(0);
  }

  at(place: number): number {
    for (; this.#end < place; this.#line++) this.#end = this.#next(this.#end + 1);
    return this.#line;
  }

  #next(from: number): number {
    const end = this.#text.indexOf("\n", from);
    return end < 0 ? Number.POSITIVE_INFINITY : end;
  }
}
