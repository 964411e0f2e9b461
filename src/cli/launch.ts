/** --nproc: the same command in several processes on this machine, as torchrun would start it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { CsrmError } from "../errors.ts";

/** Seconds that the others have to notice the end of one and to say what it means. */
const GRACE = 15;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs this very command `count` times, without --nproc. The first process has the terminal, the others' lines are marked. Ctrl-C goes to
 * all; when one fails, the others end.
 * @returns the exit code: that of the process which failed first, 0 when all went well
 */
export async function launch(count: number, args: readonly string[] = process.argv.slice(2)): Promise<number> {
  const port = await freePort();
  const children = Array.from({ length: count }, (_, rank) => start(rank, count, port, withoutNproc(args)));
  const forward = SIGNALS.map((signal) => {
    const listener = () => {
      for (const child of children) child.kill(signal);
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  let code = 0;
  let timer: NodeJS.Timeout | undefined;
  const ended = (rank: number, own: number) => {
    if (own === 0 || code !== 0) return;
    code = own;
    const others = children.filter((_, other) => other !== rank);
    timer = setTimeout(() => others.forEach((child) => void child.kill("SIGKILL")), GRACE * 1000);
  };
  try {
    await Promise.all(children.map((child, rank) => endOf(child, rank).then((own) => ended(rank, own))));
  } finally {
    clearTimeout(timer);
    for (const { signal, listener } of forward) process.off(signal, listener);
  }
  return code;
}

function start(rank: number, count: number, port: number, args: readonly string[]): ChildProcess {
  const world = {
    RANK: rank,
    WORLD_SIZE: count,
    LOCAL_RANK: rank,
    LOCAL_WORLD_SIZE: count,
    MASTER_ADDR: "127.0.0.1",
    MASTER_PORT: port,
  };
  const env = {
    ...process.env,
    ...Object.fromEntries(Object.entries(world).map(([key, value]) => [key, String(value)])),
  };
  const output = rank === 0 ? "inherit" : "pipe";
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    env,
    // The channel tells a process that this one is gone. A group of its own, since the terminal's Ctrl-C is passed on from here: twice
    // would mean "at once".
    stdio: ["ignore", output, output, "ipc"],
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", (line) => process.stderr.write(`[${rank}] ${line}\n`));
  }
  return child;
}

function endOf(child: ChildProcess, rank: number): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(
        new CsrmError(`process ${rank} could not be started: ${error.message}`, { code: "processes", cause: error }),
      );
    });
    child.once("close", (code, signal) => {
      if (signal !== null) process.stderr.write(`csrm: process ${rank} was ended by ${signal}\n`);
      resolve(code ?? 1);
    });
  });
}

function withoutNproc(args: readonly string[]): string[] {
  return args.filter((arg, i) => arg !== "--nproc" && !arg.startsWith("--nproc=") && args[i - 1] !== "--nproc");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
