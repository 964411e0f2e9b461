/** From nothing to masks and a report with a start by Puzzle-CAM and by P-NOC, by the command line. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { csrm } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

const SMALL = [
  "threads=1",
  "data.size=[32, 32]",
  "pretrain.batch=6",
  "schedule={steps: 2, warmup_steps: 1}",
  "predict.crf=false",
];

it.each(["puzzle", "pnoc"])("a run with a start by %s ends with masks, figures and a report", async (method) => {
  const out = path.join(temporaryFolder("starts"), "run");
  const set = [...SMALL, `pretrain.method=${method}`].flatMap((each) => ["--set", each]);
  const { code, stdout } = await csrm("run", "toy-tiny", ...set, "--out", out, "--json");
  expect(code).toBe(0);
  const summary = JSON.parse(stdout);
  for (const result of ["start", "csrm"]) expect(summary[result].miou).toBeGreaterThan(0);
  expect(existsSync(path.join(out, "report.html"))).toBe(true);
  const [first] = readFileSync(path.join(out, "pretrain", "metrics.jsonl"), "utf8").split("\n");
  expect(JSON.parse(first!).losses).toHaveProperty(method === "puzzle" ? "reconstruction" : "erasure");
});
