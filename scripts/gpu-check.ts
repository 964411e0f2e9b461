/** What gpu-check.sh does after the build: tests, training steps and the demonstration on the GPU, each in a process of its own. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { requireDevice } from "../src/cli/device.ts";
import { runtimeInfo } from "../src/torch/index.ts";

const root = path.resolve(import.meta.dirname, "..");
const [file = "gpu-check.json"] = process.argv.slice(2);
const quick = process.argv.includes("--quick");
const TSX = "node_modules/tsx/dist/cli.mjs";
/** Images of Pascal VOC's train_aug and those a step of the paper's batch takes from it. */
const EPOCH = { images: 10_582, labelled: 32 };

/** Full steps, every loss and the CRF included. The last two are the paper's networks at the paper's size. */
const STEPS = [
  { backbone: "resnest50", size: 256, each: 4, rounds: 5 },
  { backbone: "resnest101", size: 512, each: 8, rounds: 3 },
  { backbone: "resnest101", size: 512, each: 32, rounds: 5 },
  { backbone: "resnest269", size: 512, each: 16, rounds: 3 },
] as const;

requireDevice("cuda");
const { libtorch, cudaDevices } = runtimeInfo();
const report: Record<string, unknown> = { gpu: await gpu("name,memory.total,driver_version"), libtorch, cudaDevices };
let failed = false;

/** Runs one part; what goes wrong is told in the report, and the other parts go on. */
async function part(name: string, args: string[], read: (output: string) => unknown): Promise<void> {
  const started = performance.now();
  const usage = watchGpu();
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1" },
      maxBuffer: 1 << 28,
    });
    report[name] = read(stdout);
  } catch (error) {
    failed = true;
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    report[name] = { failed: String(error).slice(0, 300), output: `${stdout}\n${stderr}`.slice(-6000) };
  }
  const seconds = (performance.now() - started) / 1000;
  report[name] = { ...(report[name] as object), wall_seconds: seconds, gpu: usage.stop() };
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`${name}: ${JSON.stringify(report[name]).slice(0, 2000)}\n`);
}

async function gpu(fields: string): Promise<string> {
  const args = [`--query-gpu=${fields}`, "--format=csv,noheader,nounits", "--id=0"];
  return (await promisify(execFile)("nvidia-smi", args)).stdout.trim();
}

/** Utilisation in percent and memory in MiB, five times a second. */
function watchGpu(): { stop(): { utilisation: number; busiest: number; memory_mib: number } } {
  const query = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0", "-lms", "200"];
  const child = spawn("nvidia-smi", query);
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  return {
    stop() {
      child.kill();
      const rows = text
        .trim()
        .split("\n")
        .map((line) => line.split(",").map(Number));
      const [used, memory] = [0, 1].map((column) => rows.map((row) => row[column]!).filter(Number.isFinite));
      const mean = used!.reduce((sum, value) => sum + value, 0) / Math.max(1, used!.length);
      return { utilisation: Math.round(mean), busiest: Math.max(0, ...used!), memory_mib: Math.max(0, ...memory!) };
    },
  };
}

const tests = (args: string[]) => ["node_modules/vitest/vitest.mjs", "run", ...args];
const counts = (output: string) => ({ tests: /Tests\s+(.*)/.exec(output)?.[1] });
await part("device tests", tests(["test/devices.test.ts", "test/refine/tensor-crf.test.ts"]), counts);
for (const { backbone, size, each, rounds } of STEPS) {
  const args = { device: "cuda", backbone, size, labelled: each, unlabelled: each, rounds };
  const flags = Object.entries(args).map(([key, value]) => `--${key}=${value}`);
  await part(
    `step ${backbone} ${size}² ${each}+${each}`,
    [TSX, "bench/main.ts", "step", "--json", ...flags],
    (output) => {
      const result = JSON.parse(output);
      const epoch = (EPOCH.images / each) * result.seconds.step.median;
      return each === EPOCH.labelled ? { ...result, voc_epoch_seconds: epoch } : result;
    },
  );
}
const out = path.join(mkdtempSync(path.join(tmpdir(), "csrm-gpu-")), "demo");
const run = ["src/cli/main.ts", "run", "toy", "--out", out, "--set", "device=cuda"];
await part("demonstration", [TSX, ...run], () => {
  const summary = path.join(out, "summary.json");
  return JSON.parse(readFileSync(summary, "utf8"));
});
if (!quick) await part("test suite", tests([]), counts);
console.log(`${failed ? "something failed" : "all parts ran"}; figures in ${file}`);
process.exitCode = failed ? 1 : 0;
