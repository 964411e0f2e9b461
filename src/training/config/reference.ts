/** The reference part of docs/recipes.md, made from the schema. */
import { describeRecipe, type KeyDescription } from "./describe.ts";

/** Markdown: the top-level keys, then a table for every section that is not inside another. */
export function recipeReference(): string {
  const entries = describeRecipe();
  const plain = entries.filter((entry) => !entry.section && !entry.key.includes("."));
  const sections = entries.filter((entry) => entry.section && !entry.key.includes("."));
  return [table(plain), ...sections.map((section) => sectionText(section, entries))].join("\n");
}

function sectionText(section: KeyDescription, entries: readonly KeyDescription[]): string {
  const inside = entries.filter((entry) => entry.key.startsWith(`${section.key}.`) && !entry.section);
  return `## ${section.key}: ${section.description}\n\n${table(inside)}`;
}

function table(entries: readonly KeyDescription[]): string {
  const rows = entries.map((entry) =>
    [`\`${entry.key}\``, entry.type, `\`${entry.default}\``, entry.description].map(cell).join(" | "),
  );
  return ["| key | allowed | default | meaning |", "|---|---|---|---|", ...rows.map((row) => `| ${row} |`), ""].join(
    "\n",
  );
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
