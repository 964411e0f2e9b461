/** docs/recipes.md is in step with the schema. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeRecipe, recipeReference } from "../../../src/training/config.ts";

const docs = join(import.meta.dirname, "../../../docs/recipes.md");
const heading = "# Every key\n";

describe("docs/recipes.md", () => {
  it("ends with what the schema says about every key", async () => {
    const introduction = readFileSync(docs, "utf8").split(heading)[0]!.trimEnd();
    await expect(`${introduction}\n\n${heading}\n${recipeReference()}`).toMatchFileSnapshot(docs);
  });
});

describe("recipeReference", () => {
  it("has one row for every key that is no section", () => {
    const rows = recipeReference().match(/^\| `[\w.]+` \|/gm) ?? [];
    expect(rows).toHaveLength(describeRecipe().filter((entry) => !entry.section).length);
  });
});
