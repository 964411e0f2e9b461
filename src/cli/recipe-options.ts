/** --recipe and --set, the same on every command that works by a recipe. */
import { type Command, InvalidArgumentError } from "commander";
import { loadRecipe, type Recipe } from "../training/config.ts";

export interface RecipeOptions {
  recipe?: string;
  set?: string[];
}

/** Adds --recipe and --set. */
export function withRecipeOptions(command: Command): Command {
  return command
    .option("--recipe <recipe>", "a built-in recipe's name or a YAML file")
    .option("--set <key=value>", "change a key of the recipe, e.g. optimizer.lr=1e-4; may be given again", collect);
}

/** The recipe with its overrides. `values` are laid over both. */
export function recipeFrom(options: RecipeOptions & { recipe: string }, values: Record<string, unknown> = {}): Recipe {
  return loadRecipe(options.recipe, { set: options.set, values });
}

/** Commander's way to gather an option that is given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least && text.trim() !== "") return value;
    throw new InvalidArgumentError(`expected a whole number ≥ ${least}`);
  };
}
