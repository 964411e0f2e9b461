/** Checks of markup that the report tests share. */
import { expect } from "vitest";

const VOID = new Set(["meta", "img", "br"]);

/** Fails unless every tag is closed in order, attributes are quoted and text holds no bare "<" or "&". @returns names of all elements */
export function expectWellFormed(markup: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  let rest = markup.replace(/^<!doctype html>/, "").replace(/<style>[^<]*<\/style>/, "");
  while (rest !== "") {
    const tag = /^<(\/?)([a-z][a-z0-9]*)((?: [a-zA-Z0-9-]+="[^"<>]*"| open)*)(\/?)>/.exec(rest);
    if (tag) {
      const [whole, closing, name, , selfClosing] = tag as unknown as [string, string, string, string, string];
      if (closing) expect(open.pop()).toBe(name);
      else {
        names.push(name);
        if (!selfClosing && !VOID.has(name)) open.push(name);
      }
      rest = rest.slice(whole.length);
      continue;
    }
    const text = /^[^<&]+|^&(?:amp|lt|gt|quot|#39);/.exec(rest);
    expect(text, `markup at ${rest.slice(0, 80)}`).not.toBeNull();
    rest = rest.slice(text![0].length);
  }
  expect(open).toEqual([]);
  return names;
}
