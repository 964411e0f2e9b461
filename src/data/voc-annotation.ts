/** The classes named in an annotation file of Pascal VOC, by a small tolerant reading of its XML. */

import { CsrmError } from "../errors.ts";

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * The class of every object, those marked difficult included and boxes without width or height left out; with repeats.
 * Parts of objects (heads, hands) do not count.
 * @param name the file's name, for messages
 * @throws CsrmError (code "data") when the text is no annotation, is cut off, or an object has no name
 */
export function objectNames(xml: string, name: string): string[] {
  const text = xml.replace(/<!--[\s\S]*?-->/g, "");
  if (!/<annotation[\s>]/.test(text)) throw damaged(name, "it has no <annotation>");
  if (!/<\/annotation\s*>/.test(text)) throw damaged(name, "it is cut off before </annotation>");
  const names: string[] = [];
  for (const [, body] of text.matchAll(/<object(?:\s[^>]*)?>([\s\S]*?)<\/object\s*>/g)) {
    const object = body!.replace(/<part(?:\s[^>]*)?>[\s\S]*?<\/part\s*>/g, "");
    const label = field(object, "name");
    if (!label) throw damaged(name, "an object has no name");
    const [left, right, top, bottom] = ["xmin", "xmax", "ymin", "ymax"].map((side) =>
      Number(field(object, side) ?? Number.NaN),
    );
    // A comparison with an absent side is false: an object without a box is present all the same.
    if (right! <= left! || bottom! <= top!) continue;
    names.push(label);
  }
  return names;
}

function field(xml: string, tag: string): string | undefined {
  const content = new RegExp(`<${tag}(?:\\s[^>]*)?>([^<]*)</${tag}\\s*>`).exec(xml)?.[1];
  return content?.trim().replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => ENTITIES[entity]!);
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a VOC annotation: ${why}`, { code: "data" });
}
