/** The set-up script on this machine; it only plans here. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Action } from "../../scripts/setup-plan.mjs";

const script = join(import.meta.dirname, "../../scripts/setup.mjs");

function plan(env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [script, "--plan"], { encoding: "utf8", env: { ...process.env, ...env } });
}

describe("scripts/setup.mjs", () => {
  it("leaves everything alone that is there", () => {
    const { status, stdout } = plan();
    expect(status).toBe(0);
    const kinds = (JSON.parse(stdout) as Action[]).map((action) => action.kind);
    expect(kinds).toContain("native");
    expect(kinds).not.toContain("npm");
  });

  it("stops with the reason and the three ways when LIBTORCH is wrong, and plans nothing", () => {
    const { status, stdout, stderr } = plan({ LIBTORCH: "/nowhere" });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/set-up: LIBTORCH=\/nowhere: no libtorch\.so[\s\S]*three ways/);
  });
});
