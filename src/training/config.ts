/** Recipes: loading, checking, printing and comparing them. */
export { describeRecipe, type KeyDescription } from "./config/describe.ts";
export { diffRecipes, dumpRecipe } from "./config/dump.ts";
export { builtInRecipes, type LoadOptions, loadRecipe } from "./config/load.ts";
export { recipeReference } from "./config/reference.ts";
export { type Recipe, recipeSchema } from "./config/schema.ts";
