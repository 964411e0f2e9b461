/** `npm run bench`: runs benchmarks one after the other, each in a process of its own, and gathers what they measured. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { requireDevice } from "../src/cli/device.ts";
import { CsrmError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/files.ts";
import { replaceBlock } from "./lib/docs-block.ts";
import { describeMachine, load } from "./lib/machine.ts";
import { parseSuite, type SuiteOptions } from "./lib/options.ts";
import type { Result } from "./lib/result.ts";
import { readSuite, SUITE, type Suite, suiteMarkdown } from "./lib/suite.ts";
import { sectionText } from "./lib/table.ts";
import { RESULT_FILE } from "./measure.ts";

const root = path.resolve(import.meta.dirname, "..");
const DOCS = path.join(root, "docs/benchmarks.md");
const HELPERS = ["main", "measure", "yardstick"];
/** Load above which others take a part of the cores away. */
const QUIET = 0.5;

const HELP = `npm run bench -- [NAME …] [options]

Measures csrm beside its peers, in turn and in one run. Without a name: ${SUITE.join(", ")}.

  --device DEVICE   cpu (default), cuda or cuda:N
  --quick           few rounds and cases: to see that it works
  --json FILE       writes all figures there
  --write-docs      writes the tables into docs/benchmarks.md (the whole suite only)
  --from FILE       shows what --json or scripts/gpu-check.sh wrote, or with --write-docs puts it into the docs; measures nothing

Options of one benchmark follow its name with "=":
  npm run bench -- step --device=cuda --backbone=resnest101 --size=512 --labelled=32 --unlabelled=32 --rounds=3
All take --rounds=N and --threads=N. The peer is Debian's python3-torch with python3-torchvision, or what PYTHON=… names.`;

async function main(argv: readonly string[]): Promise<void> {
  const known = readdirSync(import.meta.dirname)
    .filter((name) => name.endsWith(".ts"))
    .map((name) => path.basename(name, ".ts"))
    .filter((name) => !HELPERS.includes(name));
  const options = parseSuite(argv, known);
  if (options.help) return console.log(HELP);
  const save = async (suite: Suite) => {
    if (options.json !== null) await writeFileAtomic(options.json, `${JSON.stringify(suite, null, 2)}\n`);
  };
  const suite = options.from === null ? await measureSuite(options, save) : await readSuite(options.from);
  if (options.from !== null) {
    for (const section of Object.values(suite.results).flatMap((result) => result.sections ?? [])) {
      console.log(`${sectionText(section)}\n`);
    }
  }
  await save(suite);
  const failures = Object.entries(suite.failed);
  for (const [name, message] of failures) console.error(`${name} failed: ${message}`);
  if (failures.length > 0) process.exitCode = 1;
  if (!options.writeDocs) return;
  if (failures.length > 0)
    throw new CsrmError("docs/benchmarks.md stays as it is, because not everything was measured");
  const content = suiteMarkdown(suite);
  const text = replaceBlock(readFileSync(DOCS, "utf8"), { name: suite.device.split(":")[0]!, content });
  await writeFileAtomic(DOCS, text);
  console.log("docs/benchmarks.md has the new figures");
}

/** @param save gets what there is after every benchmark, so that a run that is ended leaves its first ones */
async function measureSuite(
  { names, device, quick, rest }: SuiteOptions,
  save: (suite: Suite) => Promise<void>,
): Promise<Suite> {
  requireDevice(device);
  const started = performance.now();
  const before = load();
  if (before > QUIET) {
    console.error(`note: the machine is busy (load ${before.toFixed(2)}); figures of this run say little`);
  }
  const suite: Suite = {
    kind: "csrm benchmarks",
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    date: new Date().toISOString(),
    device,
    machine: describeMachine(),
    load: { before, after: before },
    seconds: 0,
    results: {},
    failed: {},
  };
  const common = [...(device === "cpu" ? [] : [`--device=${device}`]), ...(quick ? ["--quick"] : [])];
  for (const name of names.length > 0 ? names : SUITE) {
    const result = runBenchmark(name, [...common, ...rest]);
    if (typeof result === "string") suite.failed[name] = result;
    else suite.results[name] = result;
    suite.load.after = load();
    suite.seconds = (performance.now() - started) / 1000;
    await save(suite);
    console.log("");
  }
  return suite;
}

/** @returns text that says how it failed */
function runBenchmark(name: string, args: readonly string[]): Result | string {
  const folder = mkdtempSync(path.join(tmpdir(), "csrm-bench-"));
  const file = path.join(folder, "result.json");
  try {
    const tsx = path.join(root, "node_modules/tsx/dist/cli.mjs");
    const { status, signal } = spawnSync(
      process.execPath,
      [tsx, path.join(import.meta.dirname, `${name}.ts`), ...args],
      {
        stdio: "inherit",
        env: { ...process.env, [RESULT_FILE]: file },
      },
    );
    if (status !== 0) return `it ended with ${signal ?? `exit code ${status}`}; its message is above`;
    if (!existsSync(file)) return "it ended without a result";
    return JSON.parse(readFileSync(file, "utf8")) as Result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CsrmError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
