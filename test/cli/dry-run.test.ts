/** --dry-run of run and train. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DryRun } from "../../src/pipeline/dry-run.ts";
import { liveTensors } from "../../src/torch/index.ts";
import { csrm } from "../helpers/cli.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-dry-"));
const before = { data: process.env.CSRM_DATA, weights: process.env.CSRM_WEIGHTS };
beforeAll(() => {
  process.env.CSRM_DATA = join(root, "data");
  process.env.CSRM_WEIGHTS = join(root, "weights");
});
afterAll(() => {
  rmSync(root, { recursive: true });
  for (const [name, value] of [
    ["CSRM_DATA", before.data],
    ["CSRM_WEIGHTS", before.weights],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

async function dry(command: string, recipe: string, ...rest: string[]): Promise<{ code: number; result: DryRun }> {
  const { code, stdout, stderr } = await csrm(command, recipe, "--dry-run", "--json", ...rest);
  expect(stderr).toBe("");
  return { code, result: JSON.parse(stdout) as DryRun };
}

describe("a dry run", () => {
  it("counts the published network's parameters and names what is missing, without a step", async () => {
    const { code, result } = await dry("train", "voc12-rs101", "--no-step", "--set", "device=cpu");
    expect(code).toBe(1);
    expect(result.network).toMatchObject({ classes: 20, parameters: 63_877_845 });
    const { groups, trainable } = result.network;
    expect(Object.values(groups).reduce((sum, each) => sum + each, 0)).toBe(trainable);
    expect(result.data).toBeNull();
    expect(result.plan).toBeNull();
    expect(result.step).toBeNull();
    expect(result.problems).toContain(`cannot read ${join(root, "data/voc12/JPEGImages")}: no such file`);
    expect(result.problems.join()).toContain(join(root, "weights/resnest101.safetensors"));
  });

  it("knows the steps of a recipe that names them, and the classes of COCO", async () => {
    const { result } = await dry("train", "coco14-rs101-authors", "--no-step", "--set", "device=cpu");
    expect(result.plan).toMatchObject({ steps: 3840, warmup: 256 });
    expect(result.network.classes).toBe(80);
  });

  it("makes a step on random images, with every loss, and leaves nothing behind", async () => {
    const out = join(root, "run");
    const alive = liveTensors();
    const { code, result } = await dry("run", "toy-tiny", "--out", out);
    expect(liveTensors()).toBe(alive);
    expect({ code, problems: result.problems }).toEqual({ code: 0, problems: [] });
    expect(result.data).toEqual({ images: 12, tagged: 12 });
    expect(result.plan).toEqual({ steps: 6, warmup: 2, perEpoch: 6 });
    const losses = ["classification", "segmentation", "tags", "s2c", "unsupervised", "contrast"];
    expect(Object.keys(result.step!.losses).sort()).toEqual(losses.sort());
    expect(Number.isFinite(result.step!.total)).toBe(true);
    expect(result.step!.seconds).toBeGreaterThan(0);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(root)).toEqual([]);
  });

  it("refuses a step that does not fit into memory, and says what would", async () => {
    const huge = ["batch.labelled=100000", "data.size=[4096,4096]"].flatMap((each) => ["--set", each]);
    const { code, result } = await dry("train", "toy-tiny", ...huge);
    expect(code).toBe(1);
    expect(result.step).toBeNull();
    expect(result.problems.join()).toMatch(/a step takes about [\d.]+ GiB of memory.*lower batch\.labelled/);
  });

  it("names everything that own photographs lack, be the classes known or not", async () => {
    const place = (name: string) => join(root, name);
    const own = ["--images", place("nope"), "--tags", place("nope.csv"), "--weights", place("nope.pth")];
    const missing = ["nope", "nope.csv", "nope.pth"].map((name) => `cannot read ${place(name)}: no such file`);
    const unknown = await csrm("run", ...own, "--dry-run", "--set", "device=cpu");
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain(`3 things stand in the way:\n${missing.map((each) => `  ${each}`).join("\n")}`);
    const known = await dry("run", "own", "--no-step", ...own, "--set", "data.classes=voc");
    expect(known.code).toBe(1);
    expect(known.result.problems).toEqual(missing);
    const table = await csrm("run", ...own, "--classes", place("nope.txt"), "--dry-run", "--set", "device=cpu");
    for (const each of [...missing, `cannot read the class table ${place("nope.txt")}: no such file`]) {
      expect(table.stderr).toContain(each);
    }
  });

  it("names a device that is not there", async () => {
    const { code, result } = await dry("train", "toy-tiny", "--set", "device=cuda:99");
    expect(code).toBe(1);
    expect(result.step).toBeNull();
    expect(result.problems[0]).toContain("cuda:99");
  });

  it("estimates more memory for more images, larger ones, and more moments", async () => {
    const total = async (...set: string[]) => {
      const args = set.flatMap((each) => ["--set", each]);
      return (await dry("train", "toy-tiny", "--no-step", ...args)).result.memory.total;
    };
    const plain = await total();
    expect(await total("batch.labelled=8")).toBeGreaterThan(plain);
    expect(await total("data.size=[128,128]")).toBeGreaterThan(plain);
    expect(await total("optimizer.name=sgd")).toBeLessThan(plain);
    expect(await total("model.freeze=all_but_last")).toBeLessThan(plain);
  });

  it.each([
    ["cam", ["classification"]],
    ["puzzle", ["classification", "tiles", "reconstruction"]],
    ["pnoc", ["classification", "tiles", "reconstruction", "erasure", "ordinary"]],
  ])("of a start by %s makes a step with its losses", async (method, losses) => {
    const alive = liveTensors();
    const small = ["--set", "data.size=[32, 32]", "--set", "threads=1"];
    const { code, result } = await dry("pretrain", "toy-tiny", "--method", method, ...small);
    expect(liveTensors()).toBe(alive);
    expect({ code, problems: result.problems }).toEqual({ code: 0, problems: [] });
    expect(Object.keys(result.step!.losses)).toEqual(losses);
    expect(Number.isFinite(result.step!.total)).toBe(true);
    expect(result.plan).toEqual({ steps: 3, warmup: 0, perEpoch: 3 });
    expect(result.network.groups.scratchWeights).toBe(7 * 512);
  });

  it("estimates more memory for methods with more looks and networks, and knows what a start does not freeze", async () => {
    const memory = async (...args: string[]) => (await dry("pretrain", "toy-tiny", "--no-step", ...args)).result.memory;
    const cam = await memory("--method", "cam");
    const puzzle = await memory("--method", "puzzle");
    const pnoc = await memory("--method", "pnoc");
    expect(puzzle.activations).toBe(2 * cam.activations);
    expect(pnoc.networks).toBe(2 * cam.networks);
    expect(pnoc.total).toBeGreaterThan(puzzle.total);
    expect((await memory("--set", "pretrain.freeze=all_but_last")).gradients).toBeLessThan(cam.gradients);
    const huge = ["pretrain.batch=100000", "data.size=[4096,4096]"].flatMap((each) => ["--set", each]);
    const { code, result } = await dry("pretrain", "toy-tiny", ...huge);
    expect([code, result.step]).toEqual([1, null]);
    expect(result.problems.join()).toMatch(/a step takes about .*lower pretrain\.batch or data\.size/);
  });

  it("refuses --no-step alone", async () => {
    const { code, stderr } = await csrm("train", "toy-tiny", "--no-step");
    expect(code).not.toBe(0);
    expect(stderr).toContain("expected --dry-run beside --no-step");
  });

  it("prints the whole recipe and the figures for people", async () => {
    const { code, stdout } = await csrm("train", "toy-tiny", "--dry-run", "--no-step");
    expect(code).toBe(0);
    expect(stdout).toContain("foreground_threshold: 0.5");
    expect(stdout).toMatch(/^network {3}resnet18, 7 classes, 12,325,736 parameters$/m);
    expect(stdout).toMatch(/^steps {5}6, the first 2 of them warm-up$/m);
    expect(stdout).toMatch(/^one step {2}not tried$/m);
  });
});
