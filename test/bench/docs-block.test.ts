import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { replaceBlock } from "../../bench/lib/docs-block.ts";

it("puts a block at the end, then replaces it and nothing else", () => {
  const first = replaceBlock("# Title\n\ntext\n", { name: "cpu", content: "\n    code\n\nold figures\n" });
  expect(first).toMatch(
    /^# Title\n\ntext\n\n<!-- bench cpu: .* -->\n\n {4}code\n\nold figures\n\n<!-- end of bench cpu -->\n$/,
  );
  const both = replaceBlock(`${first}\n## After\n`, { name: "cuda", content: "gpu" });
  const second = replaceBlock(both, { name: "cpu", content: "new $& figures" });
  expect(second).toContain("new $& figures");
  expect(second).not.toContain("old");
  expect(second).toBe(both.replace("    code\n\nold figures", () => "new $& figures"));
});

it("refuses a document whose comments are not one pair", () => {
  const block = replaceBlock("", { name: "cpu", content: "a" });
  const refused = /expected one "<!-- bench cpu.*found 1 and 0; mend/;
  expect(() => replaceBlock(block.replace(/<!-- end.*-->/, ""), { name: "cpu", content: "b" })).toThrow(refused);
  expect(() => replaceBlock(block + block, { name: "cpu", content: "b" })).toThrow("found 2 and 2");
});

it("has its places in docs/benchmarks.md", () => {
  const text = readFileSync(path.resolve(import.meta.dirname, "../../docs/benchmarks.md"), "utf8");
  const place = (name: string) => replaceBlock(text, { name, content: "FIGURES" });
  const block = (name: string) => `<!-- bench ${name}: .* -->\\n\\nFIGURES\\n\\n<!-- end of bench ${name} -->\\n\\n## `;
  expect(place("cpu")).toMatch(new RegExp(`## Two CPU cores\\n\\n${block("cpu")}`));
  expect(place("cuda")).toMatch(new RegExp(block("cuda")));
});
