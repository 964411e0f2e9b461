#!/usr/bin/env node
/** Entry of the `csrm` command: runs it and turns anything thrown into a message and an exit code. */
import { exitCodeOf, failureText } from "./failure.ts";
import { runCommand } from "./program.ts";

const debug = process.argv.includes("--debug") || process.env.CSRM_DEBUG === "1";

function fail(error: unknown): void {
  const text = failureText(error, debug);
  if (text !== "") process.stderr.write(`${text}\n`);
  process.exitCode = exitCodeOf(error);
}

// A reader that had enough (`csrm … | head`) is no failure, but there is nobody left to write for.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.on("uncaughtException", (error) => {
  fail(error);
  process.exit();
});

try {
  await runCommand(process.argv.slice(2));
} catch (error) {
  fail(error);
}
