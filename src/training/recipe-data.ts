/** The data set that a recipe names, list by list. */
import { join, resolve } from "node:path";
import { type DatasetOptions, openDataset } from "../data/dataset.ts";
import type { Dataset } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { Recipe } from "./config.ts";

/**
 * Opens one list of the recipe's data set.
 * @param list one of recipe.data.lists; null: every image
 * @param missing whether images that the list names and that do not exist are an error (default) or kept, to be reported
 * @throws CsrmError when data.root is not set, or as openDataset
 */
export function openRecipeData(recipe: Recipe, list: string | null, missing?: "error" | "keep"): Promise<Dataset> {
  return openDataset({ ...datasetOptions(recipe), list, missing });
}

/** The folder of the recipe's data set. @throws CsrmError when data.root is not set */
export function dataRoot(recipe: Recipe): string {
  const { root } = recipe.data;
  if (root !== null) return root;
  throw expected("the data set's folder", "data.root", root, "say --set data.root=DIR");
}

/** Where the data set's masks are: for evaluation only. */
export function maskFolder(recipe: Recipe): string {
  return resolve(dataRoot(recipe), recipe.data.masks);
}

/** A recipe whose toy data set has a place: RUN/data unless it names another. */
export function withToyRoot(recipe: Recipe, run: string): Recipe {
  if (recipe.data.layout !== "toy" || recipe.data.root !== null) return recipe;
  return { ...recipe, data: { ...recipe.data, root: join(resolve(run), "data") } };
}

function datasetOptions(recipe: Recipe): DatasetOptions {
  const { layout, tags, classes, subset } = recipe.data;
  return { layout, root: dataRoot(recipe), tags, classes: classes === "auto" ? undefined : classes, subset };
}
