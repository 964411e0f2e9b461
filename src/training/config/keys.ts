/** The kinds of value that recipe keys have; each carries what its messages and docs/recipes.md say about it. */
import { z } from "zod";
import type { Ramp } from "../schedules.ts";

/** Keys whose strings are paths: resolved when a recipe is loaded. `keywords` are values that are no paths. */
export interface PathMeta {
  path: true;
  keywords?: string[];
  /** Only a string with "/" or one of these endings is a path; anything else is a name. */
  onlyWith?: string[];
  [key: string]: unknown;
}

export const atLeast = (least: number) => z.int().min(least);
export const notNegative = () => z.number().min(0);
export const positive = () => z.number().gt(0);
export const fraction = () => z.number().min(0).max(1);

/** A number or {from, to}; both within the range of `each`. */
export function ramp(each: z.ZodNumber): z.ZodType<Ramp, Ramp> {
  return z.union([each, z.strictObject({ from: each, to: each })]);
}

export const path = () =>
  z
    .string()
    .min(1)
    .meta({ path: true } satisfies PathMeta);

/** A path or one of some words. */
export function pathOr<const Words extends string[]>(words: Words): z.ZodString {
  return z
    .string()
    .min(1)
    .meta({ path: true, keywords: words } satisfies PathMeta);
}

/** The name of an image list of the data set, or the path of a text file. */
export const listName = () =>
  z
    .string()
    .min(1)
    .meta({ path: true, onlyWith: [".txt"] } satisfies PathMeta);

/** Height and width in pixels. */
export const sizeInPixels = () => z.tuple([atLeast(32), atLeast(32)]);

/** Three numbers, one a channel: red, green, blue. */
export const perChannel = (each: z.ZodNumber) => z.tuple([each, each, each]);

/** A section: a mapping whose absence means all of its defaults. Unknown keys are errors. */
export function section<Shape extends z.ZodRawShape>(description: string, shape: Shape) {
  return z
    .strictObject(shape)
    .prefault({} as never)
    .describe(description);
}
