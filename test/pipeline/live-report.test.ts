/** The report of a run that is at work: written now and then, renewing itself, and left still when the work ends. */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { CsrmError } from "../../src/errors.ts";
import { withLiveReport } from "../../src/pipeline/live-report.ts";
import { type Progress, silentProgress } from "../../src/progress.ts";
import { temporaryFolder } from "../helpers/tiny.ts";
import { expectWellFormed } from "../report/markup.ts";

function setUp() {
  const folder = temporaryFolder("live");
  const metrics = path.join(folder, "train/metrics.jsonl");
  mkdirSync(path.dirname(metrics));
  writeFileSync(path.join(folder, "config.yaml"), "name: watched\n");
  const clock = { time: Date.parse("2026-01-02T03:04:05Z") };
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
  const file = path.join(folder, "report.html");
  const page = () => readFileSync(file, "utf8");
  const log = (step: number) => appendFileSync(metrics, `${JSON.stringify({ step, losses: { s2c: 1 / step } })}\n`);
  const run = <Result>(work: (progress: Progress) => Promise<Result>) =>
    withLiveReport({ path: folder }, progress, work, { every: 20, now: () => clock.time });
  return { folder, file, clock, notes, page, log, run };
}

/** Runs the page's script as a browser does whose clock shows `now`. */
function silenceAt(page: string, now: number) {
  const text = { textContent: "" };
  const silence = { hidden: true, querySelector: () => text };
  const [, script] = /<script>([\s\S]*?)<\/script>/.exec(page)!;
  const document = { getElementById: (id: string) => (id === "silence" ? silence : null), querySelectorAll: () => [] };
  const [location, sessionStorage] = [{ pathname: "/report.html" }, { getItem: () => null }];
  runInNewContext(script!, { Date: { now: () => now }, document, location, sessionStorage, setTimeout: () => {} });
  return { hidden: silence.hidden, text: text.textContent };
}

describe("the report of a run at work", () => {
  it("says how far the task is, shows the curves so far, is renewed after a while, and ends without a script", async () => {
    const { clock, page, log, run } = setUp();
    const result = await run(async (progress) => {
      using task = progress.task({ label: "train", total: 80, unit: "steps" });
      log(1);
      log(2);
      task.update(20);
      expectWellFormed(page());
      expect(page()).toContain("At work: train</b><strong>25 %</strong>");
      expect(page()).toContain("20 of 80 steps");
      expect(page()).toContain("as of 2026-01-02 03:04:05 UTC");
      expect(page()).toContain("<h2>CSRM training</h2>");
      clock.time += 19_000;
      task.update(30);
      expect(page()).toContain("20 of 80 steps");
      clock.time += 2_000;
      task.update(40);
      expect(page()).toContain("40 of 80 steps");
      return "done";
    });
    expect(result).toBe("done");
    expect(page()).toContain("<h2>CSRM training</h2>");
    for (const part of ["At work", "<script", 'http-equiv="refresh"', "script-src"]) expect(page()).not.toContain(part);
  });

  it("runs one script, whose checksum its policy names, and asks the network for nothing", async () => {
    const { page, run } = setUp();
    await run(async (progress) => {
      progress.task({ label: "train", total: 8 }).update(2);
      const scripts = [...page().matchAll(/<script>([\s\S]*?)<\/script>/g)].map((match) => match[1]!);
      expect(scripts).toHaveLength(1);
      expect(scripts[0]).toContain("}, 20000);");
      const hash = createHash("sha256").update(scripts[0]!).digest("base64");
      expect(page()).toContain(`script-src &#39;sha256-${hash}&#39;`);
      expect(page()).toContain('<noscript><meta http-equiv="refresh" content="20"></noscript>');
      expect(page().match(/https?:|<link|@import|url\(|fetch|XMLHttp/)).toBeNull();
    });
  });

  it("says for how long there was no sign of life, once that is unusual", async () => {
    const { page, run, clock } = setUp();
    await run(async (progress) => {
      progress.task({ label: "train", total: 8 }).update(2);
      expect(page()).toContain('<p id="silence" hidden="">');
      expect(silenceAt(page(), clock.time + 4 * 60_000)).toEqual({ hidden: true, text: "" });
      expect(silenceAt(page(), clock.time + 6.5 * 60_000)).toEqual({ hidden: false, text: "6 minutes" });
      expect(silenceAt(page(), clock.time + 3.5 * 3_600_000)).toEqual({ hidden: false, text: "3 hours" });
    });
    expect(page()).not.toContain("silence");
  });

  it("is still, and says nothing of work, after a stop or a failure", async () => {
    const { page, run } = setUp();
    const failed = run(async (progress) => {
      progress.task({ label: "train", total: 8 }).update(2);
      throw new CsrmError("stopped here");
    });
    await expect(failed).rejects.toThrow("stopped here");
    expect(page()).not.toContain("At work");
    expect(page()).not.toContain("<script");
  });

  it("is not made where the work failed before it began", async () => {
    const { run, file } = setUp();
    await expect(run(() => Promise.reject(new CsrmError("no weights")))).rejects.toThrow("no weights");
    expect(existsSync(file)).toBe(false);
  });

  it("does not end the work when it cannot be written, and says so once", async () => {
    const { run, folder, notes, clock, file } = setUp();
    mkdirSync(file);
    writeFileSync(path.join(file, "in-the-way"), "");
    await run(async (progress) => {
      const task = progress.task({ label: "train", total: 8 });
      task.update(1);
      clock.time += 30_000;
      task.update(2);
      rmSync(file, { recursive: true });
    });
    expect(notes).toEqual([expect.stringContaining("the report is not up to date: cannot write")]);
    expect(notes[0]).toContain(folder);
    expect(existsSync(file)).toBe(true);
  });
});
