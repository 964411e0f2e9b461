/** csrm pretrain --method: a shorthand for a key of the recipe. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { csrm } from "../../helpers/cli.ts";
import { temporaryFolder } from "../../inference/tiny.ts";

it("writes the method into the recipe, so that another one in the same folder is an error that shows both", async () => {
  const out = join(temporaryFolder(), "run");
  const small = ["--set", "data.size=[32, 32]", "--set", "pretrain.batch=12", "--set", "threads=1", "--out", out];
  const { code, stdout } = await csrm("pretrain", "toy-tiny", "--method", "puzzle", ...small, "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ steps: 1, model: join(out, "pretrain", "model.safetensors") });
  expect(readFileSync(join(out, "config.yaml"), "utf8")).toContain("method: puzzle\n");
  const again = await csrm("pretrain", "toy-tiny", ...small, "--set", "pretrain.method=puzzle", "--json");
  expect([again.code, JSON.parse(again.stdout).steps]).toEqual([0, 1]);
  const other = await csrm("pretrain", "toy-tiny", "--method", "pnoc", ...small);
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/pretrain\.method: "puzzle" → "pnoc"/);
});

it("names the methods there are", async () => {
  const { code, stderr } = await csrm("pretrain", "toy-tiny", "--method", "puzle", "--out", temporaryFolder());
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/cam, puzzle, pnoc/);
});

it("refuses image sizes whose tiles have maps of another size", async () => {
  const set = ["--set", "data.size=[64, 72]"];
  const { code, stderr } = await csrm("pretrain", "toy-tiny", "--method", "puzzle", ...set, "--out", temporaryFolder());
  expect(code).toBe(1);
  expect(stderr).toMatch(/expected multiples of 16 .* for data\.size, got 64 × 72.*method puzzle/);
});
