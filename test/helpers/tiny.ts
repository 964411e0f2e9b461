/** A tiny toy set and a tiny recipe on it, for tests that train. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { generateToy } from "../../src/data/toy/index.ts";
import { loadRecipe, type Recipe } from "../../src/training/config.ts";

export function temporaryFolder(name: string): string {
  return mkdtempSync(path.join(tmpdir(), `csrm-${name}-`));
}

/** Draws the set of the recipe toy-tiny and returns its folder. */
export async function tinyData(): Promise<string> {
  const out = path.join(temporaryFolder("toy"), "data");
  const { train, val, size, seed } = loadRecipe("toy-tiny").data.toy;
  await generateToy({ out, seed, size, images: { train, val } });
  return out;
}

/** The recipe toy-tiny on a drawn set, with other values laid over it. */
export function tinyRecipe(root: string, set: readonly string[] = []): Recipe {
  return loadRecipe("toy-tiny", { set: [`data.root=${JSON.stringify(root)}`, ...set] });
}
