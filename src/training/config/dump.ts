/** A resolved recipe as YAML, and the difference between two of them. */
import { Document, visit } from "yaml";
import { show } from "../../errors.ts";
import { isTree } from "./layers.ts";
import type { Recipe } from "./schema.ts";

/** YAML with every value, defaults included; loadRecipe gives the same recipe back. */
export function dumpRecipe(recipe: Recipe): string {
  const document = new Document(recipe);
  visit(document, {
    Seq: (_, list) => {
      list.flow = true;
    },
  });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/**
 * What differs between two resolved recipes, as lines "key: a → b"; empty when they are the same.
 * Takes any trees, so that a config.yaml written by another version can be compared too: a key that only one has is "(absent)" in the other.
 */
export function diffRecipes(a: unknown, b: unknown): string[] {
  const left = new Map(leaves(a));
  const right = new Map(leaves(b));
  const keys = new Set([...left.keys(), ...right.keys()]);
  const textOf = (side: Map<string, unknown>, key: string) => (side.has(key) ? show(side.get(key)) : "(absent)");
  return [...keys]
    .filter((key) => textOf(left, key) !== textOf(right, key))
    .map((key) => `${key}: ${textOf(left, key)} → ${textOf(right, key)}`);
}

function* leaves(tree: unknown, prefix = ""): Generator<[string, unknown]> {
  if (!isTree(tree)) {
    yield [prefix.slice(0, -1), tree];
    return;
  }
  for (const [name, value] of Object.entries(tree)) yield* leaves(value, `${prefix}${name}.`);
}
