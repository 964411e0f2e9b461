/** Runs a command in this process and gathers what it prints. */
import { vi } from "vitest";
import { exitCodeOf, failureText } from "../../src/cli/failure.ts";
import { runCommand } from "../../src/cli/program.ts";

export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** The command line as main.ts runs it, but without a process of its own. */
export async function csrm(...args: string[]): Promise<CommandResult> {
  const printed = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      printed[name] += String(text);
      return true;
    }),
  );
  const before = process.exitCode;
  process.exitCode = 0;
  try {
    await runCommand(args);
    return { code: Number(process.exitCode ?? 0), ...printed };
  } catch (error) {
    return { code: exitCodeOf(error), stdout: printed.stdout, stderr: printed.stderr + failureText(error, false) };
  } finally {
    process.exitCode = before;
    for (const spy of spies) spy.mockRestore();
  }
}
