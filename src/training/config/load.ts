/** Loads a recipe: file or built-in name, one level of `extends:`, overrides, environment variables, paths, checks. */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, extname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { suggestion } from "../../did-you-mean.ts";
import { CsrmError, expected } from "../../errors.ts";
import { describeRecipe, type PathRule } from "./describe.ts";
import {
  emptyTree,
  isTree,
  type Layered,
  nested,
  overlay,
  parseOverride,
  readYamlMapping,
  type Tree,
} from "./layers.ts";
import type { Recipe } from "./schema.ts";
import { validateRecipe, valueAt } from "./validate.ts";

export interface LoadOptions {
  /** "key=value" overrides in order, as given by --set. */
  set?: readonly string[];
  /** Overrides that are values already, by dotted key, e.g. {"data.root": "/photos"}; laid over `set`. */
  values?: Readonly<Record<string, unknown>>;
  env?: Readonly<Record<string, string | undefined>>;
  /** Where relative paths of overrides, and `source` itself, start. */
  cwd?: string;
}

/** Built-in recipes; src/training/config and dist/training/config lie equally deep, so one path serves both. */
const BUILT_IN = join(dirname(fileURLToPath(import.meta.url)), "../../../recipes");

/**
 * Loads and checks a recipe. Every default is filled in and every path is absolute.
 * Relative paths start from the folder of the file that they stand in; those of overrides from the working directory.
 * @param source a path (with a "/" or ending in .yaml or .yml) or the name of a built-in recipe
 * @throws CsrmError (code "config") for an absent recipe, YAML errors, unknown keys, wrong values, unset ${VARIABLES}
 */
export function loadRecipe(source: string, options: LoadOptions = {}): Recipe {
  const cwd = options.cwd ?? process.cwd();
  const file = locate(source, cwd);
  const layered: Layered = { tree: emptyTree(), origins: new Map() };
  const own = withoutExtends(readYamlMapping(file));
  overlay(layered, { name: nameOf(file) }, { name: "the file's name", folder: dirname(file) });
  if (own.base !== undefined) {
    const base = baseFile(own.base, file);
    const { tree, base: next } = withoutExtends(readYamlMapping(base));
    if (next !== undefined) {
      throw new CsrmError(`${file} extends ${base}, which extends ${String(next)}: only one level is allowed`, {
        code: "config",
      });
    }
    // A recipe is called after its own file, not after the one it extends.
    delete tree.name;
    overlay(layered, tree, { name: base, folder: dirname(base) });
  }
  overlay(layered, own.tree, { name: file, folder: dirname(file) });
  for (const text of options.set ?? []) overlay(layered, parseOverride(text), { name: "--set", folder: cwd });
  for (const [key, value] of Object.entries(options.values ?? {})) {
    overlay(layered, nested(key, value), { name: "command line", folder: cwd });
  }
  const originOf = (key: string) => originFor(layered, key)?.name ?? file;
  expandVariables(layered.tree, "", options.env ?? process.env, originOf);
  resolvePaths(layered, cwd);
  return validateRecipe(layered.tree, originOf);
}

/** Names of the recipes that come with the package. */
export function builtInRecipes(): string[] {
  if (!existsSync(BUILT_IN)) return [];
  return readdirSync(BUILT_IN)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => name.slice(0, -".yaml".length))
    .sort();
}

function locate(source: string, cwd: string): string {
  if (looksLikePath(source)) {
    const file = resolve(cwd, source);
    if (!existsSync(file)) throw new CsrmError(`no recipe at ${file}`, { code: "config" });
    return file;
  }
  const file = join(BUILT_IN, `${source}.yaml`);
  if (existsSync(file)) return file;
  const names = builtInRecipes();
  const local = existsSync(resolve(cwd, `${source}.yaml`)) ? `; for the file here say ./${source}.yaml` : "";
  throw new CsrmError(
    `no built-in recipe is called "${source}"${suggestion(source, names)}${local}; there are ${names.join(", ")}`,
    { code: "config" },
  );
}

function baseFile(base: unknown, file: string): string {
  if (typeof base !== "string") throw expected("the name or path of a recipe", `extends (${file})`, base);
  return locate(base, dirname(file));
}

function looksLikePath(source: string): boolean {
  return source.includes("/") || [".yaml", ".yml"].includes(extname(source));
}

function nameOf(file: string): string {
  return basename(file, extname(file));
}

function withoutExtends(tree: Tree): { tree: Tree; base: unknown } {
  const { extends: base, ...rest } = tree;
  return { tree: rest, base };
}

/** The origin of a key, or of the nearest section around it. */
function originFor(layered: Layered, key: string) {
  for (let at = key; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    const origin = layered.origins.get(at);
    if (origin) return origin;
  }
  return undefined;
}

/** Replaces ${NAME} in every string, after all layers are merged: a value that was overridden needs no variable. */
function expandVariables(
  node: Tree | unknown[],
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
  originOf: (key: string) => string,
): void {
  for (const [name, value] of Object.entries(node)) {
    const key = prefix + name;
    if (typeof value === "string") {
      const text = value.replace(/\$\{([^}]*)\}/g, (_, variable: string) => {
        const found = env[variable];
        if (found) return found;
        throw new CsrmError(
          `${key} (${originOf(key)}) needs the environment variable ${variable}, which is not set; ` +
            `set it or say --set ${key}=…`,
          { code: "config" },
        );
      });
      (node as Tree)[name] = text;
    } else if (Array.isArray(value) || isTree(value)) expandVariables(value, `${key}.`, env, originOf);
  }
}

function resolvePaths(layered: Layered, cwd: string): void {
  for (const { key, path: rule } of describeRecipe()) {
    const value = rule ? valueAt(layered.tree, key) : undefined;
    if (!rule || value === undefined) continue;
    const folder = originFor(layered, key)?.folder ?? cwd;
    const resolved = Array.isArray(value)
      ? value.map((entry) => absolute(entry, rule, folder))
      : absolute(value, rule, folder);
    const parent = valueAt(layered.tree, key.slice(0, key.lastIndexOf(".")));
    if (isTree(parent)) parent[key.slice(key.lastIndexOf(".") + 1)] = resolved;
  }
}

function absolute(value: unknown, rule: PathRule, folder: string): unknown {
  if (typeof value !== "string" || value === "" || rule.keywords.includes(value) || isAbsolute(value)) return value;
  if (rule.onlyWith && !rule.onlyWith.some((ending) => value.endsWith(ending))) return value;
  return resolve(folder, value);
}
