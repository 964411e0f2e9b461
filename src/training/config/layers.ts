/** A recipe before it is checked: YAML files and --set overrides laid over each other, with a memory of who set what. */
import { parse, parseDocument, YAMLParseError } from "yaml";
import { CsrmError, messageOf, show } from "../../errors.ts";
import { readTextSync } from "../../files.ts";

export type Tree = { [key: string]: unknown };

/** Who set a key, and the folder that its relative paths start from. */
export interface Origin {
  name: string;
  folder: string;
}

/** A tree of values with the origin of every leaf by its dotted key. */
export interface Layered {
  tree: Tree;
  origins: Map<string, Origin>;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the library has against a text, without the place and the lines around it. */
function reasonOf(error: Error): string {
  return error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
}

/** Reads a YAML file that must hold a mapping. @throws CsrmError with file, line and column of a syntax error */
export function readYamlMapping(file: string): Tree {
  const document = parseDocument(readTextSync(file), { prettyErrors: true });
  const [error] = document.errors;
  if (error) {
    const place = error.linePos ? `:${error.linePos[0].line}:${error.linePos[0].col}` : "";
    throw new CsrmError(`${file}${place}: ${reasonOf(error)}`, { code: "config", cause: error });
  }
  const value: unknown = document.toJS() ?? {};
  if (!isTree(value))
    throw new CsrmError(`${file}: expected a mapping of recipe keys, got ${show(value)}`, { code: "config" });
  return value;
}

/** Lays `tree` over what is there: mappings are merged key by key, lists and values replaced. */
export function overlay(layered: Layered, tree: Tree, origin: Origin): void {
  mergeInto(layered.tree, tree, "", (key) => layered.origins.set(key, origin));
}

function mergeInto(target: Tree, source: Tree, prefix: string, onLeaf: (key: string) => void): void {
  for (const [name, value] of Object.entries(source)) {
    const key = prefix + name;
    const existing = Object.hasOwn(target, name) ? target[name] : undefined;
    if (isTree(value)) {
      const child = isTree(existing) ? existing : emptyTree();
      target[name] = child;
      onLeaf(key);
      mergeInto(child, value, `${key}.`, onLeaf);
    } else {
      target[name] = value;
      onLeaf(key);
    }
  }
}

/** Without a prototype, so that a key named __proto__ is a key like any other and reported as unknown. */
export function emptyTree(): Tree {
  return Object.create(null) as Tree;
}

/**
 * Turns "optimizer.lr=1e-3" into {optimizer: {lr: 0.001}}. The value is read as YAML: numbers, true, null, [1, 2], {from: 0, to: 1}.
 * @throws CsrmError when there is no "=", no key, no value, or the value is no YAML
 */
export function parseOverride(text: string): Tree {
  const equals = text.indexOf("=");
  const key = text.slice(0, equals).trim();
  if (equals < 1 || key.split(".").some((part) => part === "")) {
    throw new CsrmError(
      `expected key=value with a dotted key for --set, got ${show(text)}; e.g. --set optimizer.lr=0.001`,
      {
        code: "config",
      },
    );
  }
  const source = text.slice(equals + 1);
  if (source.trim() === "") {
    throw new CsrmError(`expected a value after ${key}= for --set; null is a value, too`, { code: "config" });
  }
  let value: unknown;
  try {
    value = parse(source) as unknown;
  } catch (error) {
    const reason = error instanceof YAMLParseError ? reasonOf(error) : messageOf(error);
    throw new CsrmError(`expected a YAML value for --set ${key}, got ${show(source)}: ${reason}`, { code: "config" });
  }
  return nested(key, value);
}

/** {"a.b": 1} as a tree. */
export function nested(key: string, value: unknown): Tree {
  const parts = key.split(".");
  const root = emptyTree();
  let tree = root;
  for (const part of parts.slice(0, -1)) {
    const child = emptyTree();
    tree[part] = child;
    tree = child;
  }
  tree[parts.at(-1)!] = value;
  return root;
}
