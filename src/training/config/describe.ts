/** What the schema says about each key, in words: for error messages and for docs/recipes.md. */
import { z } from "zod";
import { show } from "../../errors.ts";
import { recipeSchema } from "./schema.ts";

/** One key of a recipe. */
export interface KeyDescription {
  /** Dotted, e.g. "optimizer.lr". */
  key: string;
  /** What is allowed, e.g. "a number from 0 to 1". */
  type: string;
  /** The default as YAML. */
  default: string;
  description: string;
  /** Whether it is a section, i.e. holds further keys. */
  section: boolean;
  path: PathRule | null;
}

/** Which strings of a key are paths. */
export interface PathRule {
  keywords: string[];
  onlyWith: string[] | null;
}

interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
  prefixItems?: JsonSchema[];
  items?: JsonSchema | false;
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minItems?: number;
  form?: string;
  path?: boolean;
  keywords?: string[];
  onlyWith?: string[];
}

let cache: KeyDescription[] | undefined;

/** Every key of a recipe in the order of the schema, sections before their keys. */
export function describeRecipe(): KeyDescription[] {
  cache ??= [...walk(z.toJSONSchema(recipeSchema, { io: "input" }) as JsonSchema, "")];
  return cache;
}

function* walk(schema: JsonSchema, prefix: string): Generator<KeyDescription> {
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const key = prefix + name;
    yield {
      key,
      type: typeText(child),
      default: child.properties ? "" : yamlInline(child.default),
      description: child.description ?? "",
      section: child.properties !== undefined,
      path: pathRule(child),
    };
    if (child.properties) yield* walk(child, `${key}.`);
  }
}

function pathRule(schema: JsonSchema): PathRule | null {
  if (schema.path) return { keywords: schema.keywords ?? [], onlyWith: schema.onlyWith ?? null };
  const inner = [...(schema.anyOf ?? []), ...(schema.items ? [schema.items] : [])];
  return inner.map(pathRule).find((rule) => rule !== null) ?? null;
}

function typeText(schema: JsonSchema): string {
  if (schema.form) return schema.form;
  if (schema.anyOf) return unionText(schema.anyOf);
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return oneOf(schema.enum);
  if (schema.path) return [...(schema.keywords ?? []), schema.onlyWith ? "a name or path" : "a path"].join(" or ");
  if (schema.prefixItems) return `a list of ${schema.prefixItems.length} ${plural(typeText(schema.prefixItems[0]!))}`;
  if (schema.type === "array") return `a list of ${plural(typeText(schema.items || {}))}`;
  if (schema.type === "object") return mappingText(Object.keys(schema.properties ?? {}));
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "string") return "a text";
  return numberText(schema);
}

/** Numbers that stand side by side become one list: "one of 8, 16, 32". */
function unionText(choices: JsonSchema[]): string {
  if (choices.every((choice) => choice.const !== undefined)) {
    return oneOf(choices.map((choice) => choice.const));
  }
  return choices.map((choice) => (choice.type === "null" ? "null" : typeText(choice))).join(" or ");
}

function mappingText(keys: string[]): string {
  return `a mapping with the key${keys.length > 1 ? "s" : ""} ${keys.join(", ")}`;
}

function oneOf(words: unknown[]): string {
  return words.length > 2 ? `one of ${words.join(", ")}` : words.join(" or ");
}

function numberText(schema: JsonSchema): string {
  const kind = schema.type === "integer" ? "a whole number" : "a number";
  const least = schema.minimum === Number.MIN_SAFE_INTEGER ? undefined : schema.minimum;
  const most = schema.maximum === Number.MAX_SAFE_INTEGER ? undefined : schema.maximum;
  const multiple = schema.multipleOf === undefined ? "" : `, a multiple of ${schema.multipleOf}`;
  if (least !== undefined && most !== undefined) return `${kind} from ${least} to ${most}${multiple}`;
  const bounds = [
    ...(least === undefined ? [] : [`≥ ${least}`]),
    ...(schema.exclusiveMinimum === undefined ? [] : [`> ${schema.exclusiveMinimum}`]),
    ...(most === undefined ? [] : [`≤ ${most}`]),
    ...(schema.exclusiveMaximum === undefined ? [] : [`< ${schema.exclusiveMaximum}`]),
  ];
  return `${[kind, bounds.join(" and ")].filter((part) => part !== "").join(" ")}${multiple}`;
}

function plural(type: string): string {
  const [head, ...rest] = type.replace(/^(a|an) /, "").split(" or ");
  const many = head!.replace(/^(whole number|number|name|text|path)/, "$1s");
  return [many, ...rest.map((part) => part.replace(/^path$/, "paths"))].join(" or ");
}

/** A value the way one would write it in a recipe, on one line. */
export function yamlInline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yamlInline).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, entry]) => `${key}: ${yamlInline(entry)}`);
    return `{${entries.join(", ")}}`;
  }
  if (typeof value === "string") return /^[\w./-]+$/.test(value) ? value : show(value);
  return String(value);
}
