/** Progress on a terminal and elsewhere, with a clock and a stream of our own. */
import { describe, expect, it } from "vitest";
import { createProgress, duration, type ProgressOptions } from "../src/progress.ts";

function setUp(options: ProgressOptions & { isTTY?: boolean; columns?: number } = {}) {
  const clock = { time: 0 };
  const written: string[] = [];
  const stream = {
    isTTY: options.isTTY ?? true,
    columns: options.columns ?? 80,
    write: (text: string) => written.push(text),
  };
  const progress = createProgress({ stream, now: () => clock.time, env: {}, ...options });
  return { clock, written, progress };
}

/** What a terminal shows in the end: each line after its last return to the left edge. */
function screen(written: string[]): string[] {
  return written
    .join("")
    .split("\n")
    .map((line) => line.slice(line.lastIndexOf("\r") + 1).replace("\x1b[K", ""));
}

describe("progress on a terminal", () => {
  it("shows done and total, percent, rate, time left and extra figures behind a bar", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "train", total: 200 });
    for (let step = 1; step <= 50; step++) {
      clock.time = step * 2000;
      task.update(step, { extras: { loss: 0.51234 } });
    }
    expect(screen(written).at(-1)).toMatch(
      /^train {2}\[#+-+\] {2}50\/200 {2}25% {2}2 s\/step {2}5:00 left {2}loss 0\.512$/,
    );
  });

  it("writes at most ten times a second", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "predict", total: 10_000, unit: "images" });
    for (let i = 1; i <= 2000; i++) {
      clock.time = i;
      task.update(i);
    }
    expect(written.length).toBeGreaterThan(15);
    expect(written.length).toBeLessThanOrEqual(20);
  });

  it("never fills the line, however narrow the terminal", () => {
    for (const columns of [20, 40, 200]) {
      const { clock, written, progress } = setUp({ columns });
      const task = progress.task({ label: "a rather long label", total: 1000, unit: "images" });
      clock.time = 5000;
      task.update(500, { extras: { loss: 1.5, lr: 1e-5 } });
      expect(screen(written).at(-1)!.length).toBeLessThan(columns);
    }
  });

  it("writes notes above the bar and keeps the bar", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "train", total: 10 });
    clock.time = 1000;
    task.update(5);
    progress.note("skipped cat.jpg");
    expect(screen(written)[0]).toBe("skipped cat.jpg");
    expect(screen(written)[1]).toContain("5/10");
  });

  it("takes the rate from the last half minute, so that a slow start is forgotten", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "train", total: 1000 });
    clock.time = 100_000;
    task.update(1);
    for (let step = 2; step <= 100; step++) {
      clock.time += 1000;
      task.update(step);
    }
    expect(screen(written).at(-1)).toContain("1 steps/s");
  });

  it("does not count steps done before for the rate", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "train", total: 1000, initial: 900 });
    clock.time = 10_000;
    task.update(910);
    expect(screen(written).at(-1)).toContain("1 steps/s  1:30 left");
  });

  it("ends with a line that says how long it took, once", () => {
    const { clock, written, progress } = setUp();
    const task = progress.task({ label: "predict", total: 30, unit: "images" });
    clock.time = 15_000;
    task.update(30);
    task.finish();
    task.finish();
    expect(screen(written)).toEqual(["predict  30/30  in 15 s  2 images/s", ""]);
  });
});

describe("progress elsewhere", () => {
  it("writes a plain line every ten seconds and one at the end", () => {
    const { clock, written, progress } = setUp({ isTTY: false });
    {
      using task = progress.task({ label: "train", total: 100 });
      for (let step = 1; step <= 25; step++) {
        clock.time = step * 1000;
        task.update(step);
      }
    }
    expect(written).toEqual([
      "train  10/100  10%  1 steps/s  1:30 left\n",
      "train  20/100  20%  1 steps/s  1:20 left\n",
      "train  25/100  in 25 s  1 steps/s\n",
    ]);
  });

  it.each([{ CI: "true" }, { TERM: "dumb" }])("is plain on a terminal with %j", (env) => {
    const { clock, written, progress } = setUp({ isTTY: true, env });
    const task = progress.task({ label: "train", total: 10 });
    clock.time = 20_000;
    task.update(5);
    task.finish();
    for (const control of ["\r", "\x1b"]) expect(written.join("")).not.toContain(control);
    expect(written).toHaveLength(2);
  });
});

describe("duration", () => {
  it.each([
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1:00"],
    [187, "3:07"],
    [3725, "1:02:05"],
  ])("says %d s as %s", (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
