import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const { exports: entries } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  exports: Record<string, { types: string; default: string }>;
};

// Through the package's own name, so that what a user imports is what is tested: dist/, built by the set-up.
it.each(Object.keys(entries))("the entry point %s can be imported and has types", async (entry) => {
  const module = (await import(entry.replace(/^\./, "csrm"))) as Record<string, unknown>;
  const names = Object.keys(module);
  expect(names.length).toBeGreaterThan(2);
  const types = readFileSync(new URL(`../${entries[entry]!.types}`, import.meta.url), "utf8");
  for (const name of names) expect(types).toContain(name);
});
