/** Ctrl-C as a process sees it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const interruptModule = JSON.stringify(join(import.meta.dirname, "../src/interrupt.ts"));

/** Work in steps that hold the event loop for 20 ms each, as tensor work does; says "step" once it runs. */
const worker = (steps: string) => `
  import { setImmediate as tick } from "node:timers/promises";
  import { interrupted, safePoint, watchInterrupts, InterruptedError } from ${interruptModule};
  watchInterrupts((message) => console.error(message));
  const hold = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
  console.log("step");
  try { ${steps} } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
  }`;

function run(source: string, onStep: (child: ReturnType<typeof spawn>) => void) {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", source]);
  let errors = "";
  child.stderr.on("data", (data) => {
    errors += String(data);
  });
  child.stdout.once("data", () => onStep(child));
  return new Promise<{ code: number | null; signal: string | null; errors: string }>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, errors }));
  });
}

describe("interrupts", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s stops work at the next safe point with exit code %d", async (signal, exitCode) => {
    const steps = "for (let i = 0; i < 500; i++) { hold(20); await safePoint(); }";
    const result = await run(worker(steps), (child) => child.kill(signal));
    expect(result.code).toBe(exitCode);
    expect(result.errors).toContain("stopping after this step; run the same command (without --fresh) to go on");
  });

  it("a second Ctrl-C ends the process in the middle of a step", async () => {
    const steps = "while (!interrupted()) await tick(); console.log('stuck'); hold(20000);";
    const result = await run(worker(steps), (child) => {
      child.stdout!.on("data", (data) => {
        if (String(data).includes("stuck")) child.kill("SIGINT");
      });
      child.kill("SIGINT");
    });
    expect(result.signal).toBe("SIGINT");
  });
});
