/** What gpu-check.sh does after the build, each part in a process of its own. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Result } from "../bench/lib/result.ts";
import type { Suite } from "../bench/lib/suite.ts";
import { requireDevice } from "../src/cli/device.ts";
import { writeFileAtomicSync } from "../src/files.ts";
import { runtimeInfo, whyNoGpuKernels } from "../src/torch/index.ts";
import { allowance, epochSeconds, parseCheck, stepNote } from "./gpu-budget.ts";
import { gpuName, type Usage, usageOf, watchGpu } from "./gpu-watch.ts";
import { runLimited } from "./run-limited.ts";

const root = path.resolve(import.meta.dirname, "..");
const TSX = "node_modules/tsx/dist/cli.mjs";
const options = parseCheck(process.argv.slice(2));
const { file, quick, device, budget } = options;
const gpu = Number(device.split(":")[1] ?? 0);
const began = performance.now();
const spent = () => options.spent + (performance.now() - began) / 1000;

/** Full steps, every loss and the CRF included: the paper's networks at the paper's size, and in the middle its batch. */
const STEPS = [
  { backbone: "resnest101", size: 512, each: 8, rounds: 3, always: true },
  { backbone: "resnest101", size: 512, each: 32, rounds: 5, always: true },
  { backbone: "resnest269", size: 512, each: 16, rounds: 3, always: true },
  { backbone: "resnest269", size: 512, each: 32, rounds: 3, always: false },
].filter(({ always }) => always || !quick);

requireDevice(device);
const folder = mkdtempSync(path.join(tmpdir(), "csrm-gpu-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const { libtorch, cudaDevices } = runtimeInfo();
const noKernels = whyNoGpuKernels(device);
const parts: Record<string, object> = {};
const report: { [key: string]: unknown; failed: string[]; suite?: Suite } = {
  kind: "csrm gpu check",
  gpu: gpuName(gpu),
  ...{ libtorch, cudaDevices, noKernels, device, quick, budget, parts },
  build_seconds: options.spent,
  failed: [],
};

/** The GPU during a whole part, and during the rounds that it timed. */
interface Watched {
  all: Usage | null;
  timed_rounds?: Usage | null;
}

interface Part {
  /** Seconds below which it is not begun, and those that it may take, both where there is a budget. */
  least: number;
  most: number;
  args: string[];
  /** From what it printed to what the report says. */
  read(output: string): object;
  /** What is worth keeping although it failed or was stopped. */
  salvage?(): object;
}

/** Runs one part; what goes wrong is told in the report, and the other parts go on. */
async function part(name: string, { least, most, args, read, salvage = () => ({}) }: Part): Promise<void> {
  const seconds = allowance(budget, { spent: spent(), least, most });
  if (seconds === null) return save(name, { skipped: `not begun: less than ${least} of ${budget} seconds were left` });
  const started = performance.now();
  const watch = watchGpu(gpu);
  // What a stopped part leaves behind goes with the folder.
  const env = { ...process.env, NO_COLOR: "1", CSRM_TEST_DEVICES: `cpu,${device}`, TMPDIR: folder };
  const { status, stopped, stdout, stderr } = await runLimited(args, { seconds, cwd: root, env });
  const samples = watch.stop();
  let result: object;
  const output = () => ({ output: `${stdout}\n${stderr}`.slice(-6000) });
  try {
    if (status !== 0 && !stopped) throw new Error(`exit code ${status}`);
    const why = `after ${seconds.toFixed(0)} seconds, for the budget of ${budget}`;
    result = stopped ? { stopped: why, ...output(), ...salvage() } : read(stdout);
  } catch (error) {
    report.failed.push(name);
    result = { failed: String(error).slice(0, 300), ...output(), ...salvage() };
  }
  const { timed } = result as Partial<Result>;
  const watched: Watched = { all: usageOf(samples), ...(timed ? { timed_rounds: usageOf(samples, timed) } : {}) };
  save(name, { ...result, wall_seconds: (performance.now() - started) / 1000, gpu: watched });
}

/** The file is whole after every part, so that a machine that goes away leaves what was measured. */
function save(name: string, result: object): void {
  parts[name] = result;
  report.seconds = spent();
  writeFileAtomicSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`${name}: ${JSON.stringify(result).slice(0, 2000)}\n`);
}

const tests = (args: string[]) => ["node_modules/vitest/vitest.mjs", "run", ...args];
const counts = (output: string) => ({
  tests: /Tests\s+(.*)/.exec(output)?.[1],
  files: /Test Files\s+(.*)/.exec(output)?.[1],
});
await part("device tests", { least: 10, most: 120, args: tests(deviceTests()), read: counts });

const steps: Record<string, Result> = {};
for (const { backbone, size, each, rounds } of STEPS) {
  const name = `step ${backbone} ${size}² ${each}+${each}`;
  const flags = { device, backbone, size, labelled: each, unlabelled: each, rounds };
  await part(name, {
    least: 30,
    most: 90,
    args: [TSX, "bench/step.ts", "--json", ...Object.entries(flags).map(([key, value]) => `--${key}=${value}`)],
    read(output) {
      const result = JSON.parse(output) as Result & { seconds: { step: { median: number } } };
      steps[name] = result;
      return { ...result, voc_epoch_seconds: epochSeconds(result.seconds.step.median, each) };
    },
  });
  const { voc_epoch_seconds: epoch, gpu: usage } = parts[name] as { voc_epoch_seconds?: number; gpu?: Watched };
  if (epoch !== undefined) steps[name]!.sections[0]!.notes = [stepNote(epoch, usage?.timed_rounds ?? null)];
}

const benchFile = path.join(folder, "bench.json");
const keepSuite = () => {
  if (!existsSync(benchFile)) return {};
  const suite = JSON.parse(readFileSync(benchFile, "utf8")) as Suite;
  const own = process.argv.slice(2).filter((argument) => !argument.startsWith("--spent"));
  // The paper's steps belong into the same tables.
  const results = { ...suite.results, ...steps };
  report.suite = { ...suite, results, command: ["scripts/gpu-check.sh", ...own].join(" ") };
  return { measured: Object.keys(suite.results), not_measured: suite.failed };
};
await part("benchmarks", {
  least: 60,
  most: 200,
  args: [TSX, "bench/main.ts", `--device=${device}`, "--json", benchFile, ...(quick ? ["--quick"] : [])],
  read: keepSuite,
  salvage: keepSuite,
});

const out = path.join(folder, "demo");
await part("demonstration", {
  least: 90,
  most: 150,
  args: [TSX, "src/cli/main.ts", "run", "toy", "--out", out, "--set", `device=${device}`],
  read: () => JSON.parse(readFileSync(path.join(out, "summary.json"), "utf8")),
});
// The processor's cores are for the tests alone, and most of these wait for no GPU.
await part("test suite", { least: 20, most: Number.POSITIVE_INFINITY, args: tests(["--maxWorkers=8"]), read: counts });

const { failed } = report;
const undone = Object.keys(parts).filter((name) => "skipped" in parts[name]! || "stopped" in parts[name]!);
console.log(failed.length > 0 ? `failed: ${failed.join(", ")}` : "nothing failed");
if (undone.length > 0) console.log(`no time within ${budget} seconds: ${undone.join(", ")}`);
console.log(`figures in ${file}`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** The test files that go through every device. */
function deviceTests(): string[] {
  const files = readdirSync(path.join(root, "test"), { recursive: true }).map((name) =>
    path.join("test", String(name)),
  );
  return files.filter(
    (name) => name.endsWith(".test.ts") && /helpers\/devices\.ts/.test(readFileSync(path.join(root, name), "utf8")),
  );
}
