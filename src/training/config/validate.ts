/** Checks a recipe against the schema and words what is wrong: key, file, what was expected, what stands there. */
import type { z } from "zod";
import { didYouMean } from "../../did-you-mean.ts";
import { CsrmError, show } from "../../errors.ts";
import { describeRecipe } from "./describe.ts";
import { type Recipe, recipeSchema } from "./schema.ts";

/** Where the value of a dotted key came from: "recipes/own.yaml" or "--set". */
export type OriginOf = (key: string) => string;

/**
 * Fills in every default and checks types, ranges and names.
 * @throws CsrmError (code "config") listing everything that is wrong, one a line
 */
export function validateRecipe(tree: unknown, originOf: OriginOf): Recipe {
  const result = recipeSchema.safeParse(tree);
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap((issue) => lineOf(issue, tree, originOf));
  throw new CsrmError([...new Set(lines)].join("\n"), { code: "config" });
}

function lineOf(issue: z.core.$ZodIssue, tree: unknown, originOf: OriginOf): string[] {
  const key = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => {
      const full = key ? `${key}.${name}` : name;
      return `unknown key ${full} (${originOf(full)})${hint(full)}`;
    });
  }
  if (issue.code === "custom") return [`${issue.message} (${originOf(key)})`];
  // An element of a list is reported as the list: its type says what the elements have to be.
  const described = describeRecipe().findLast((entry) => key === entry.key || key.startsWith(`${entry.key}.`));
  if (!described) return [`expected a mapping of recipe keys (${originOf(key)}), got ${show(tree)}`];
  return [
    `expected ${described.type} for ${described.key} (${originOf(described.key)}), got ${show(valueAt(tree, described.key))}`,
  ];
}

/** A misspelt key at the right place, else keys of that very name at other places, the least nested first. */
function hint(full: string): string {
  const keys = describeRecipe().map((entry) => entry.key);
  const parent = full.slice(0, full.lastIndexOf(".") + 1);
  const name = full.slice(parent.length);
  const siblings = keys
    .filter((key) => key.startsWith(parent) && !key.slice(parent.length).includes("."))
    .map((key) => key.slice(parent.length));
  const near = didYouMean(name, siblings);
  if (near) return `; did you mean ${parent}${near}?`;
  const elsewhere = keys.filter((key) => key.split(".").at(-1) === name).sort((a, b) => depth(a) - depth(b));
  return elsewhere.length > 0 ? `; did you mean ${elsewhere.slice(0, 3).join(" or ")}?` : "";
}

function depth(key: string): number {
  return key.split(".").length;
}

/** The value at a dotted key, undefined where there is none. */
export function valueAt(tree: unknown, key: string): unknown {
  let value = tree;
  for (const part of key.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
