#!/usr/bin/env node
/** Entry of the `csrm` command: runs it and turns anything thrown into a message and an exit code. */
import { CsrmError } from "../errors.ts";
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
  fail(new CsrmError(`cannot write to standard output: ${error.message}`, { code: "file", cause: error }));
  process.exit();
});
// The same for messages: a closed or full log must not end work that somebody waits for.
process.stderr.on("error", () => {});
process.on("uncaughtException", (error) => {
  fail(error);
  process.exit();
});

try {
  await runCommand(process.argv.slice(2));
} catch (error) {
  fail(error);
}
