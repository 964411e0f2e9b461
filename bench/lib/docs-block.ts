/** A generated part of a document, between two comments that a reader does not see. */
import { CsrmError } from "../../src/errors.ts";

const begin = (name: string) => `<!-- bench ${name}: written by npm run bench -- --write-docs -->`;
const end = (name: string) => `<!-- end of bench ${name} -->`;

/**
 * Replaces what stands between the comments of that name, or puts both at the end of a document that has none.
 * @throws CsrmError when only one of them is there, or they are in the wrong order or more than once
 */
export function replaceBlock(text: string, { name, content }: { name: string; content: string }): string {
  const count = (mark: string) => text.split(mark).length - 1;
  // The first line may be code, whose indentation counts.
  const inner = content.replace(/^\n+/, "").trimEnd();
  const block = `${begin(name)}\n\n${inner}\n\n${end(name)}`;
  const [begins, ends] = [count(begin(name)), count(end(name))];
  if (begins === 0 && ends === 0) return `${text.trimEnd()}\n\n${block}\n`;
  const [from, to] = [text.indexOf(begin(name)), text.indexOf(end(name))];
  if (begins !== 1 || ends !== 1 || from > to) {
    throw new CsrmError(
      `expected one "${begin(name)}" and after it one "${end(name)}", found ${begins} and ${ends}; mend the two lines`,
      { code: "data" },
    );
  }
  return text.slice(0, from) + block + text.slice(to + end(name).length);
}
