/** `npm run bench -- NAME [--json]`: runs one benchmark, or all of them without a name. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
const helpers = ["main.ts", "list-costs.ts", "measure.ts", "resources.ts", "yardstick.ts"];
const known = readdirSync(folder)
  .filter((name) => name.endsWith(".ts") && !helpers.includes(name))
  .map((name) => name.slice(0, -".ts".length));
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const unknown = asked.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(1);
}
for (const name of asked.length > 0 ? asked : known) await import(`./${name}.ts`);
