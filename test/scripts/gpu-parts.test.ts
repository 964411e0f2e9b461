/** The parts of gpu-check that need no GPU. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { allowance, epochSeconds, parseCheck, QUICK_BUDGET, stepNote } from "../../scripts/gpu-budget.ts";
import { sampleOf, usageOf } from "../../scripts/gpu-watch.ts";
import { runLimited } from "../../scripts/run-limited.ts";
import { devicesOf } from "../helpers/devices.ts";

describe("gpu-check's command line", () => {
  it("has no budget but with --quick or where it is told one", () => {
    expect(parseCheck([])).toEqual({ file: "gpu-check.json", quick: false, device: "cuda", budget: null, spent: 0 });
    expect(parseCheck(["out.json", "--quick", "--spent=90"])).toMatchObject({
      budget: QUICK_BUDGET,
      spent: 90,
      file: "out.json",
    });
    expect(parseCheck(["--quick", "--budget=600", "--device=cuda:1"])).toMatchObject({ budget: 600, device: "cuda:1" });
  });

  it("refuses what it does not know", () => {
    expect(() => parseCheck(["--fast"])).toThrow("--fast");
    expect(() => parseCheck(["--budget=soon"])).toThrow('expected a number of seconds for --budget, got "soon"');
  });
});

describe("the budget", () => {
  it("gives a part what is left up to its own limit, and none where that is too little", () => {
    const part = { least: 60, most: 200 };
    expect(allowance(480, { spent: 400, ...part })).toBe(80);
    expect(allowance(480, { spent: 100, ...part })).toBe(200);
    expect(allowance(480, { spent: 450, ...part })).toBeNull();
    expect(allowance(null, { spent: 1e6, ...part })).toBe(Number.POSITIVE_INFINITY);
  });
});

it("tests that are meant for a GPU fail where there is none", () => {
  expect(devicesOf("cpu")).toEqual(["cpu"]);
  expect(() => devicesOf("cpu,cuda:99")).toThrow(/expected a device that libtorch can use .*, got "cuda:99"/);
});

it("an epoch of VOC's train_aug at the paper's batch and 1.38 s a step takes 456 s", () => {
  expect(epochSeconds(1.38, 32)).toBeCloseTo(456.3, 1);
  expect(stepNote(456.3, null)).toBe("An epoch of VOC's train_aug takes 7:36 minutes of such steps.");
  const usage = { utilisation: 35, busiest: 99, memory_mib: 39_219, samples: 20 };
  expect(stepNote(65, usage)).toMatch(
    /takes 1:05 .* busy for 35 % of the timed rounds, and 38\.3 GiB of it were in use\.$/,
  );
});

describe("the GPU's samples", () => {
  it("are read from nvidia-smi's lines, and what is none is left out", () => {
    expect(sampleOf("37, 4096", 5)).toEqual({ at: 5, utilisation: 37, memory_mib: 4096 });
    expect(sampleOf("[N/A], 4096", 5)).toBeNull();
    expect(sampleOf("", 5)).toBeNull();
  });

  it("are summed up over a stretch of time", () => {
    const samples = [0, 10, 90, 100].map((utilisation, i) => ({ at: 100 * i, utilisation, memory_mib: 1000 + i }));
    expect(usageOf(samples)).toEqual({ utilisation: 50, busiest: 100, memory_mib: 1003, samples: 4 });
    expect(usageOf(samples, { from: 150, to: 300 })).toEqual({
      utilisation: 95,
      busiest: 100,
      memory_mib: 1003,
      samples: 2,
    });
    expect(usageOf(samples, { from: 1000, to: 2000 })).toBeNull();
  });
});

describe("a program with a limit of time", () => {
  const script = (text: string) => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "csrm-limited-")), "program.mjs");
    writeFileSync(file, text);
    return file;
  };

  it("gives its output and exit code", async () => {
    const file = script('console.log("figures"); console.error("note"); process.exitCode = 3;');
    expect(await runLimited([file], { seconds: 60 })).toEqual({
      status: 3,
      stdout: "figures\n",
      stderr: "note\n",
      stopped: false,
    });
  });

  it("ends with everything it started when its time is over", async () => {
    const child = script('console.log("child", process.pid); setInterval(() => {}, 1000);');
    const parent = script(`import { spawnSync } from "node:child_process";
      console.log("begun"); spawnSync(process.execPath, [${JSON.stringify(child)}], { stdio: "inherit" });`);
    const { stopped, status, stdout } = await runLimited([parent], { seconds: 5 });
    expect({ stopped, status }).toEqual({ stopped: true, status: null });
    const pid = /child (\d+)/.exec(stdout)?.[1];
    // Gone, or a zombie that nobody has waited for yet.
    const state = () => {
      try {
        return /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "gone";
      } catch {
        return "gone";
      }
    };
    expect(pid).toBeDefined();
    await expect.poll(state, { timeout: 10_000 }).toMatch(/gone|Z|X/);
  });
});
