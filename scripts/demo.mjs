/**
 * `npm run demo`: set-up, then the whole pipeline on the toy set. `--tiny` takes the recipe that needs seconds; everything else is
 * passed on to `csrm run`, e.g. `npm run demo -- --fresh`.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import "./setup.mjs";

const main = path.join(path.dirname(fileURLToPath(import.meta.url)), "../dist/cli/main.js");
const given = process.argv.slice(2);
const tiny = given.includes("--tiny");
const rest = given.filter((arg) => arg !== "--tiny");
const out = rest.includes("--out") ? [] : ["--out", tiny ? "runs/demo-tiny" : "runs/demo"];

// In this very process, so that Ctrl-C reaches the run and nothing is left behind.
process.argv = [process.argv[0], main, "run", tiny ? "toy-tiny" : "toy", ...out, ...rest];
await import(main);
