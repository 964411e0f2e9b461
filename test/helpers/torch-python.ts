/** A Python with PyTorch, as an oracle where there is one: python3, or the one that CSRM_PYTHON names. */
import { spawnSync } from "node:child_process";

const python = process.env.CSRM_PYTHON ?? "python3";

/** Whether there is one. Tests that need it are skipped, saying so, where there is none. */
export const hasTorch = spawnSync(python, ["-c", "import torch"]).status === 0;

/** Runs a script with arguments. @returns its standard output. @throws with its complaint when it fails */
export function runPython(script: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(python, ["-c", script, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
