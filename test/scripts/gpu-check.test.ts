import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";

const script = path.resolve(import.meta.dirname, "../../scripts/gpu-check.sh");

it("gpu-check.sh says that there is no GPU and leaves a file that says so", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "csrm-gpu-"));
  const file = path.join(folder, "check.json");
  // A PATH without nvidia-smi, so that this also holds where there is a GPU.
  const env = { ...process.env, PATH: folder };
  const output = execFileSync("/bin/bash", [script, file], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  expect(output).toContain("no GPU: nvidia-smi finds none");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ skipped: "no GPU" });
});
