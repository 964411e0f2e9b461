/** The documents say what is so: links, paths, commands, options, layers, defaults, and the example that readers will try first. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Command } from "commander";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { commands } from "../src/cli/commands.ts";
import { createProgram } from "../src/cli/program.ts";
import { describeRecipe } from "../src/training/config/describe.ts";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(path.join(root, "docs")).map((name) => `docs/${name}`),
]
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({ name, text: readFileSync(path.join(root, name), "utf8") }));

/** The text of a document by its name. */
function textOf(name: string): string {
  return documents.find((document) => document.name === name)!.text;
}

/** Fenced and indented lines, and what stands between backticks. */
function codeOf(text: string): string[] {
  const fenced = text.match(/^```[\s\S]*?^```/gm) ?? [];
  const rest = text.replace(/^```[\s\S]*?^```/gm, "");
  const indented = rest.match(/^ {4}.*$/gm) ?? [];
  const spans = [...rest.replace(/^ {4}.*$/gm, "").matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
  return [...fenced.flatMap((block) => block.split("\n")), ...indented, ...spans];
}

/** Rows of the first table whose header names all of these columns, as cells by column. */
function tableOf(text: string, columns: readonly string[]): Record<string, string>[] {
  const lines = text.split("\n");
  const cells = (line: string) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  const start = lines.findIndex((line) => line.startsWith("|") && columns.every((name) => cells(line).includes(name)));
  const titles = cells(lines[start]!);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  return lines
    .slice(start + 2, end)
    .map((line) => Object.fromEntries(cells(line).map((cell, column) => [titles[column]!, cell])));
}

/** GitHub's anchors of a document's headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) => match[1]!.toLowerCase());
  return headings.map((heading) => heading.replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"));
}

describe.each(documents)("$name", ({ name, text }) => {
  it("links to files and headings that exist", () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!);
    const broken = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file, anchor] = link.split("#") as [string, string | undefined];
      const target = file === "" ? name : path.join(path.dirname(name), file);
      if (!existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(path.join(root, target), "utf8")).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("names files of the repository that exist", () => {
    const named = codeOf(text).flatMap((code) =>
      [...code.matchAll(/(?<![\w./$-])(?:\.ci|bench|docs|native|recipes|scripts|src|test)\/[\w./<>*-]*/g)].map(
        ([file]) => file,
      ),
    );
    const absent = named.filter((file) => !/[<>*]/.test(file) && !existsSync(path.join(root, file)));
    expect(absent).toEqual([]);
  });

  it("names npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { scripts: object };
    const named = [...text.matchAll(/npm (?:run )?(?:--silent )?([\w:-]+)/g)].map((match) => match[1]!);
    const ownToNpm = ["ci", "link", "packages", "install"];
    expect(named.filter((script) => !ownToNpm.includes(script) && !Object.hasOwn(scripts, script))).toEqual([]);
  });

  it("names commands and options that csrm has", async () => {
    const unknown: string[] = [];
    for (const line of codeOf(text)) {
      const call = /(?<![\w./-])csrm ([a-z][\w-]*)(.*)/.exec(line);
      if (call && (await unknownIn(call[1]!, call[2]!))) unknown.push(line.trim());
    }
    expect(unknown).toEqual([]);
  });
});

async function unknownIn(name: string, rest: string): Promise<boolean> {
  const entry = commands.find((command) => command.name === name);
  if (!entry) return true;
  let command = (await createProgram(entry)).commands.find((each) => each.name() === name)!;
  for (const word of rest.trim().split(/\s+/)) {
    const below: Command | undefined = command.commands.find((each) => each.name() === word);
    if (!below) break;
    command = below;
  }
  const known = ["--help", "--debug", ...command.options.flatMap(({ long }) => long ?? [])];
  // A word where only subcommands can stand must be one of them.
  const first = /^ +([a-z]+)\b/.exec(rest)?.[1];
  if (command.name() === name && command.commands.length > 0 && first !== undefined) return true;
  return [...rest.matchAll(/(?<=\s)--[a-z][\w-]*/g)].some(([option]) => !known.includes(option));
}

describe("docs/method.md", () => {
  it("gives every switch its key and its default", () => {
    const keys = new Map(describeRecipe().map((entry) => [entry.key, entry]));
    const rows = tableOf(textOf("docs/method.md"), ["switch", "key", "default"]);
    expect(rows.length).toBeGreaterThan(20);
    const code = (cell: string | undefined) => /^`([^`]+)`/.exec(cell ?? "")?.[1];
    for (const row of rows)
      expect([row.switch, code(row.default)]).toEqual([row.switch, keys.get(code(row.key)!)?.default]);
  });

  it("has a file and a test for each equation from 1 to 14", () => {
    const rows = tableOf(textOf("docs/method.md"), ["equation", "file", "test"]);
    const numbers = rows
      .flatMap((row) => row.equation!.split(", ").map(Number))
      .filter((number) => !Number.isNaN(number));
    expect(numbers).toEqual(Array.from({ length: 14 }, (_, i) => i + 1));
    for (const row of rows)
      expect([row.what, /`src\/.*\.ts`/.test(row.file!), /`test\//.test(row.test!)]).toEqual([row.what, true, true]);
  });
});

describe("docs/architecture.md", () => {
  const layers = tableOf(textOf("docs/architecture.md"), ["layer", "what it is"]).map((row) =>
    row.layer!.replaceAll("`", ""),
  );
  const files = readdirSync(path.join(root, "src"), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith(".ts"));
  const layerOf = (file: string) =>
    layers.findIndex((layer) => layer === file || (layer.endsWith("/") && file.startsWith(layer)));

  it("names every folder of src as a layer", () => {
    const folders = new Set(
      files.filter((file) => file.includes(path.sep)).map((file) => `src/${file.split(path.sep)[0]}/`),
    );
    expect(layers.filter((layer) => layer.endsWith("/")).sort()).toEqual([...folders].sort());
  });

  it("orders the layers so that every import goes to the same or an earlier one", () => {
    const wrong: string[] = [];
    let checked = 0;
    for (const file of files.map((name) => `src/${name}`)) {
      const imports = readFileSync(path.join(root, file), "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
      for (const [, target] of imports) {
        const to = path.join(path.dirname(file), target!);
        // Files directly in src are for everybody, and may themselves use only each other.
        if (layerOf(file) < 0 ? layerOf(to) >= 0 : layerOf(to) > layerOf(file)) wrong.push(`${file} imports ${to}`);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(300);
    expect(wrong).toEqual([]);
  });

  it("is right that only src/torch imports the addon", () => {
    const importers = files.filter((file) =>
      /csrm\.node|torch\/native\.ts"/.test(readFileSync(path.join(root, "src", file), "utf8")),
    );
    expect(importers.filter((file) => !file.startsWith(`torch${path.sep}`))).toEqual([]);
  });
});

it("the README's example runs and learns", async () => {
  const source = /```ts\n([\s\S]*?)```/.exec(textOf("README.md"))![1]!;
  const folder = mkdtempSync(path.join(tmpdir(), "csrm-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "example.ts");
  const library = pathToFileURL(path.join(root, "src/torch/index.ts")).href;
  writeFileSync(file, source.replace('"csrm/torch"', JSON.stringify(library)));
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  onTestFinished(() => log.mockRestore());
  await import(/* @vite-ignore */ file);
  const losses = log.mock.calls.map((call) => call[1] as number);
  const tensors = log.mock.calls.map((call) => call[2] as number);
  expect(losses.length).toBe(4);
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 1000);
  expect(new Set(tensors).size).toBe(1);
});
