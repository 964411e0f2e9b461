/** The command line as a shell sees it. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { DEFECT, exitCodeOf, failureText } from "../../src/cli/failure.ts";
import { createProgram } from "../../src/cli/program.ts";
import { packageVersion } from "../../src/environment.ts";
import { CsrmError } from "../../src/errors.ts";
import { InterruptedError } from "../../src/interrupt.ts";
import { csrm } from "../helpers/cli.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");

function spawnCsrm(...args: string[]) {
  return spawnSync(process.execPath, ["--import", "tsx", main, ...args], { encoding: "utf8" });
}

describe("csrm", () => {
  it("prints its version on stdout", () => {
    const { status, stdout } = spawnCsrm("--version");
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${packageVersion()}\n` });
  });

  it("lists every command in its help", async () => {
    const { code, stdout } = await csrm("--help");
    expect(code).toBe(0);
    for (const { name } of commands) expect(stdout).toMatch(new RegExp(`^  ${name} `, "m"));
  });

  it("takes every option that an example of its help shows", async () => {
    for (const names of [
      ...commands.map(({ name }) => [name]),
      ["refine", "crf"],
      ["data", "toy"],
      ["data", "check"],
      ...["ablation", "refinement", "threshold", "compare", "qualitative"].map((name) => ["experiment", name]),
    ]) {
      const { stdout } = await csrm(...names, "--help");
      const [usage = "", ...examples] = stdout.split(/\nExamples:\n/);
      const known = new Set(usage.match(/--[a-z-]+/g));
      for (const option of examples.join("\n").match(/--[a-z-]+/g) ?? []) {
        expect([...known], `csrm ${names.join(" ")} --help shows ${option}`).toContain(option);
      }
    }
  });

  it("suggests the command and the option that were probably meant", async () => {
    const command = await csrm("docter");
    expect(command.code).toBe(1);
    expect(command.stderr).toMatch(/unknown command 'docter'\s+\(Did you mean doctor\?\)/);
    const option = await csrm("doctor", "--jsn");
    expect(option.code).toBe(1);
    expect(option.stderr).toMatch(/unknown option '--jsn'\s+\(Did you mean --json\?\)/);
  });

  it("prints nothing but JSON on stdout with --json", () => {
    const { status, stdout } = spawnCsrm("doctor", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ csrm: packageVersion(), ok: true });
  });

  it("ends quietly when its reader has gone", () => {
    const command = `"${process.execPath}" --import tsx "${main}" doctor --json | true; exit "\${PIPESTATUS[0]}"`;
    const { status, stderr } = spawnSync("bash", ["-c", command], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });
});

describe("commands", () => {
  it.each(commands.map((entry) => [entry.name, entry] as const))(
    "%s registers itself under its name",
    async (name, entry) => {
      const program = await createProgram(entry);
      const command = program.commands.find((candidate) => candidate.name() === name);
      expect(program.commands.map((each) => each.name())).toEqual(commands.map((each) => each.name));
      expect(command?.description()).not.toBe("");
    },
  );
});

describe("failures", () => {
  it("show a person's mistake as one message without a stack, and with it on request", () => {
    const error = new CsrmError("expected a folder for --images, got 3");
    expect(exitCodeOf(error)).toBe(1);
    expect(failureText(error, false)).toBe("csrm: expected a folder for --images, got 3");
    expect(failureText(error, true)).toMatch(/expected a folder[\s\S]*at .*main\.test\.ts/);
  });

  it("show the stack of a defect and its cause, with an exit code of its own", () => {
    const error = new TypeError("x is not a function", { cause: new Error("because") });
    expect(exitCodeOf(error)).toBe(DEFECT);
    expect(failureText(error, false)).toMatch(
      /defect of csrm[\s\S]*x is not a function\n\s+at [\s\S]*caused by: Error: because/,
    );
    expect(failureText("thrown text", false)).toContain("thrown text");
  });

  it("pass on the exit codes of interrupts and of wrong use, whose text commander has printed", () => {
    expect(exitCodeOf(new InterruptedError(143))).toBe(143);
    const usage = new CommanderError(1, "commander.unknownOption", "unknown option");
    expect(exitCodeOf(usage)).toBe(1);
    expect(failureText(usage, false)).toBe("");
  });
});
