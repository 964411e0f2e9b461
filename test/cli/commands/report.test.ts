/** csrm report beside a run at work and after one that was killed. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { writeLiveReport } from "../../../src/report/build.ts";
import { lockFolder, type RunLock } from "../../../src/run-lock.ts";
import { csrm } from "../../helpers/cli.ts";
import { temporaryFolder } from "../../helpers/tiny.ts";

const held: RunLock[] = [];
afterEach(() => {
  for (const lock of held.splice(0)) lock.release();
});

/** A run folder whose page follows it. */
function liveRun() {
  const run = temporaryFolder("watched");
  writeFileSync(path.join(run, "config.yaml"), "name: watched\n");
  const state = { label: "train", unit: "steps", done: 1, total: 4, rate: null, secondsLeft: null };
  writeLiveReport(run, { ...state, written: new Date(), every: 30 });
  return { run, page: path.join(run, "report.html") };
}

describe("csrm report", () => {
  it("leaves the page of a run at work as it is, and writes another where it is told", async () => {
    const { run, page } = liveRun();
    held.push(lockFolder(run, () => {}));
    const before = readFileSync(page, "utf8");
    for (const args of [[], ["--out", page]]) {
      const refused = await csrm("report", run, ...args);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(
        /process \d+ on .* is at work in .*report\.html follows it meanwhile, and --out FILE/,
      );
    }
    expect(readFileSync(page, "utf8")).toBe(before);
    const elsewhere = path.join(temporaryFolder("elsewhere"), "so-far.html");
    expect(await csrm("report", run, "--out", elsewhere)).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(elsewhere, "utf8")).not.toContain("At work");
  });

  it("writes the still page when the run's process is gone, and leaves no lock", async () => {
    const { run, page } = liveRun();
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const lock = path.join(run, ".lock");
    writeFileSync(lock, JSON.stringify({ pid: gone, host: os.hostname(), birth: null, since: "then" }));
    expect(await csrm("report", run)).toMatchObject({ code: 0, stdout: `report  ${page}\n` });
    expect(readFileSync(page, "utf8")).not.toContain("At work");
    expect(existsSync(lock)).toBe(false);
  });

  it("names what is no run folder", async () => {
    const file = path.join(temporaryFolder("no-run"), "file");
    writeFileSync(file, "");
    for (const wrong of [file, `${file}-absent`]) {
      expect((await csrm("report", wrong)).stderr).toContain("expected a run folder for report");
    }
  });
});
