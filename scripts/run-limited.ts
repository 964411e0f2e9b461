/** Runs a program with a limit of time, after which it ends together with everything that it started. */
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Ended {
  /** Exit code; null when a signal ended it. */
  status: number | null;
  stdout: string;
  stderr: string;
  /** Whether it was ended because its time was over. */
  stopped: boolean;
}

/** @param seconds its limit; infinity for none @throws when it cannot be started */
export async function runLimited(
  args: readonly string[],
  { seconds, cwd, env = process.env }: { seconds: number; cwd?: string; env?: NodeJS.ProcessEnv },
): Promise<Ended> {
  // A group of its own: what the program started ends with it.
  const child = spawn(process.execPath, [...args], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const result: Ended = { status: null, stdout: "", stderr: "", stopped: false };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    result.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    result.stderr += text;
  });
  const kill = () => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // It has ended in the meantime.
    }
  };
  const interrupted = () => process.exit(130);
  process.on("exit", kill).once("SIGINT", interrupted).once("SIGTERM", interrupted);
  const timer = Number.isFinite(seconds)
    ? setTimeout(() => {
        result.stopped = true;
        kill();
      }, seconds * 1000)
    : undefined;
  try {
    const [status] = await once(child, "close");
    return { ...result, status };
  } finally {
    clearTimeout(timer);
    process.off("exit", kill).off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
}
