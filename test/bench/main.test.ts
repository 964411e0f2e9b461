/** `npm run bench` from the outside. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import type { Suite } from "../../bench/lib/suite.ts";

const root = path.resolve(import.meta.dirname, "../..");

function bench(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, ["node_modules/tsx/dist/cli.mjs", "bench/main.ts", ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

it("measures, says that the peer is absent and how to get it, and writes what --from shows again", () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "csrm-bench-")), "bench.json");
  const args = ["operator", "--quick", "--rounds=1", "--json", file];
  const { status, stdout, stderr } = bench(args, { PYTHON: "/nowhere/python3" });
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("failed")]);
  expect(stdout).toMatch(/x \+ y .* µs .*not installed: no torch in \/nowhere\/python3 \(apt-get install/);
  const suite = JSON.parse(readFileSync(file, "utf8")) as Suite;
  expect(suite).toMatchObject({ kind: "csrm benchmarks", device: "cpu", failed: {} });
  const [add] = suite.results.operator!.sections[0]!.rows;
  expect(add!.value.runs).toBe(1);
  expect(add!.value.median).toBeGreaterThan(1e-8);
  expect(bench(["--from", file]).stdout.trim()).toBe(stdout.trim());
});

it("names what it cannot do, and what failed", () => {
  const unknown = bench(["operatr"]);
  expect([unknown.status, unknown.stdout]).toEqual([1, ""]);
  expect(unknown.stderr).toContain('got operatr; did you mean "operator"?');
  const failed = bench(["operator", "--size=3"]);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain("Unknown option '--size'");
  expect(failed.stderr).toContain("operator failed: it ended with exit code 1; its message is above");
});

it("leaves the docs alone unless everything was measured", () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "csrm-bench-")), "bench.json");
  writeFileSync(file, JSON.stringify({ kind: "csrm benchmarks", device: "cpu", results: {}, failed: { step: "why" } }));
  const before = readFileSync(path.join(root, "docs/benchmarks.md"), "utf8");
  const { status, stderr } = bench(["--from", file, "--write-docs"]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("docs/benchmarks.md stays as it is")]);
  expect(readFileSync(path.join(root, "docs/benchmarks.md"), "utf8")).toBe(before);
});
