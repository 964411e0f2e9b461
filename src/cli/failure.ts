/** What a person sees and what a script gets when a command fails. */
import { CommanderError } from "commander";
import { CsrmError } from "../errors.ts";
import { InterruptedError } from "../interrupt.ts";

/** Exit code of an error that is a defect of csrm, not of its input (EX_SOFTWARE of sysexits.h). */
export const DEFECT = 70;

/** 0 for --help and --version, 1 for wrong use and wrong input, 130 or 143 when stopped, 70 for a defect. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof InterruptedError) return error.exitCode;
  return error instanceof CsrmError ? 1 : DEFECT;
}

/** The text for stderr; empty where it was printed already. Stacks only for defects, or for everything with `debug`. */
export function failureText(error: unknown, debug: boolean): string {
  if (error instanceof CommanderError) return "";
  if (error instanceof CsrmError) return `csrm: ${debug ? stackOf(error) : error.message}`;
  return `csrm: unexpected error; this is a defect of csrm, please report it with these lines\n${stackOf(error)}`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
