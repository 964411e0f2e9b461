/** Starts the processes of a training for tests, each a real one. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(new URL("./train-worker.ts", import.meta.url));
/** Whole steps, of which each process takes its share. */
export const stepWorker = fileURLToPath(new URL("./step-worker.ts", import.meta.url));
/** The same of the start classifiers that are more than plain. */
export const startWorker = fileURLToPath(new URL("./start-worker.ts", import.meta.url));
const root = path.resolve(path.dirname(worker), "../..");

export interface WorkerJob {
  root: string;
  /** One after the other; train goes on from pretrain's classifier, or from a given one. Verify has a folder of label maps. */
  stages: { name: "pretrain" | "train" | "verify"; folder: string; start?: string; labels?: string }[];
  set: string[];
  /** Seconds of silence that the processes bear. */
  timeout: number;
  /** This process asks to stop after so many steps. */
  stopAt?: { rank: number; step: number };
  fault?: { kind: "kill" | "hang" | "error"; rank: number; step: number };
}

export interface WorkerResult {
  rank: number;
  finished?: boolean;
  error?: string;
  /** From the last step to the error. */
  seconds?: number;
  notes?: string[];
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export interface Started {
  child: ChildProcess;
  /** What it printed, when it ended. */
  output: Promise<string>;
}

/** Runs Node on TypeScript. @param before words before it, e.g. `ip netns exec NAME` */
export function startNode(
  args: readonly string[],
  env: Record<string, string>,
  before: readonly string[] = [],
): Started {
  const [program, ...rest] = [...before, process.execPath, "--import", "tsx", ...args];
  const own = { ...process.env, OMP_NUM_THREADS: "1", ...env };
  const child = spawn(program!, rest, { cwd: root, env: own, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  child.stdout!.on("data", (data) => {
    text += data;
  });
  let errors = "";
  child.stderr!.on("data", (data) => {
    errors += data;
  });
  return {
    child,
    output: new Promise((resolve) => {
      child.on("close", (code, signal) => resolve(text || JSON.stringify({ error: `${errors} (${code ?? signal})` })));
    }),
  };
}

/** Starts Node on TypeScript in `size` processes with the environment that a launcher gives them. */
export async function startProcesses(size: number, args: readonly string[]): Promise<Started[]> {
  const port = await freePort();
  const master = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port), WORLD_SIZE: String(size) };
  return Array.from({ length: size }, (_, rank) => {
    const world: Record<string, string> = size > 1 ? { ...master, RANK: String(rank), LOCAL_RANK: String(rank) } : {};
    return startNode(args, world);
  });
}

/** Starts the training in `size` processes; their results in the order of ranks. */
export async function startTraining(
  size: number,
  job: WorkerJob,
): Promise<{ processes: Started[]; results: Promise<WorkerResult>[] }> {
  const processes = await startProcesses(size, [worker, JSON.stringify(job)]);
  const results = processes.map(
    async ({ output }) => JSON.parse((await output).trim().split("\n").at(-1)!) as WorkerResult,
  );
  return { processes, results };
}

/** The same, waiting for all. */
export async function trainIn(size: number, job: WorkerJob): Promise<WorkerResult[]> {
  return Promise.all((await startTraining(size, job)).results);
}
