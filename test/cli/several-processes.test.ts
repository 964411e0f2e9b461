/** The command line in several real processes: --nproc, and a launcher's environment with processes at different addresses. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { processGroupBackends } from "../../src/torch/index.ts";
import { readCheckpoint } from "../../src/training/checkpoint.ts";
import { temporaryFolder } from "../helpers/tiny.ts";
import { type Started, startNode } from "../helpers/together.ts";

const SMALL = [
  "--set",
  "precision=fp32",
  "--set",
  "threads=1",
  "--set",
  "data.toy.train=8",
  "--set",
  "log.every_steps=1",
];

function command(...args: string[]): string[] {
  return ["src/cli/main.ts", ...args, ...SMALL];
}

async function ended({ child, output }: Started): Promise<{ code: number | null; text: string }> {
  const text = await output;
  return { code: child.exitCode, text };
}

/** Waits until a file tells of a step. */
async function firstStep(out: string, stage: string): Promise<void> {
  const file = path.join(out, stage, "metrics.jsonl");
  while (!existsSync(file) || !readFileSync(file, "utf8").includes("\n"))
    await new Promise((next) => setTimeout(next, 50));
}

describe.skipIf(!processGroupBackends().includes("gloo"))("csrm in several processes", () => {
  it("prints one result, stops all of them on a signal, and goes on", async () => {
    const out = path.join(temporaryFolder("nproc"), "run");
    const pretrain = command(
      "pretrain",
      "toy-tiny",
      "--nproc",
      "2",
      "--json",
      "--out",
      out,
      "--set",
      "pretrain.epochs=12",
    );
    const first = startNode(pretrain, {});
    await firstStep(out, "pretrain");
    first.child.kill("SIGTERM");
    const { code } = await ended(first);
    expect(code).toBe(143);
    expect(existsSync(path.join(out, "pretrain/done.json"))).toBe(false);
    expect(existsSync(path.join(out, "pretrain/checkpoints/last.safetensors"))).toBe(true);
    expect(existsSync(path.join(out, ".lock"))).toBe(false);

    const again = await ended(startNode(pretrain, {}));
    expect(again.code).toBe(0);
    expect(JSON.parse(again.text)).toMatchObject({ steps: 24, model: path.join(out, "pretrain/model.safetensors") });
  });

  it("runs a whole recipe: all train, the verification network too, and the first does the rest", async () => {
    const out = path.join(temporaryFolder("whole"), "run");
    const verify = ["verify.enabled=true", "verify.steps=2"].flatMap((each) => ["--set", each]);
    const { code, text } = await ended(
      startNode(command("run", "toy-tiny", "--nproc", "2", "--json", "--out", out, ...verify), {}),
    );
    expect(code, text).toBe(0);
    const summary = JSON.parse(text);
    expect(Object.keys(summary.stages)).toEqual(["pretrain", "train", "predict", "evaluate", "verify"]);
    expect(summary.verify.val).toBe(JSON.parse(readFileSync(path.join(out, "evaluate/val-verify.json"), "utf8")).miou);
    const last = readCheckpoint(path.join(out, "verify/checkpoints/last.safetensors"), "verify");
    // Random numbers of its own for each process that trained.
    expect([last.step, [...last.tensors.random!.keys()].sort()]).toEqual([2, ["cpu", "cpu@0", "cpu@1"]]);
  });

  it("ends all of them with an error when one is killed", async () => {
    const out = path.join(temporaryFolder("killed"), "run");
    const started = startNode(
      command("pretrain", "toy-tiny", "--nproc=2", "--out", out, "--set", "pretrain.epochs=400"),
      {},
    );
    await firstStep(out, "pretrain");
    const { stdout } = spawnSync("pgrep", ["-P", String(started.child.pid)], { encoding: "utf8" });
    const children = stdout.trim().split("\n").map(Number);
    expect(children).toHaveLength(2);
    const second = children.find((pid) => readFileSync(`/proc/${pid}/environ`, "utf8").includes("\0RANK=1\0"))!;
    const before = performance.now();
    process.kill(second, "SIGKILL");
    const { code, text } = await ended(started);
    expect(code).toBe(1);
    expect(text).toContain("process 1 was ended by SIGKILL");
    expect(text).toContain("csrm: process 1 is gone, or silent for too long");
    expect((performance.now() - before) / 1000).toBeLessThan(60);
  });

  it("works across addresses, here those of two network namespaces", async ({ skip }) => {
    const names = [0, 1].map((i) => `csrm-${process.pid}-${i}`);
    const ip = (...args: string[]) => spawnSync("ip", args, { encoding: "utf8" }).status === 0;
    onTestFinished(() => {
      for (const name of names) ip("netns", "del", name);
    });
    const address = (rank: number) => `10.83.7.${rank + 1}`;
    const links = [`csrm${process.pid % 10_000}a`, `csrm${process.pid % 10_000}b`];
    const made =
      names.every((name) => ip("netns", "add", name)) &&
      ip("link", "add", links[0]!, "netns", names[0]!, "type", "veth", "peer", "name", links[1]!, "netns", names[1]!) &&
      names.every(
        (name, rank) =>
          ip("-n", name, "addr", "add", `${address(rank)}/24`, "dev", links[rank]!) &&
          ip("-n", name, "link", "set", links[rank]!, "up") &&
          ip("-n", name, "link", "set", "lo", "up"),
      );
    if (!made) skip("network namespaces need root and the command ip");

    const out = path.join(temporaryFolder("namespaces"), "run");
    const world = { WORLD_SIZE: "2", MASTER_ADDR: address(0), MASTER_PORT: "29400" };
    const started = names.map((name, rank) =>
      startNode(
        command("pretrain", "toy-tiny", "--out", out, "--json"),
        { ...world, RANK: String(rank), LOCAL_RANK: "0", LOCAL_WORLD_SIZE: "1" },
        ["ip", "netns", "exec", name],
      ),
    );
    const [first, second] = await Promise.all(started.map(ended));
    expect([first!.code, second!.code], first!.text + second!.text).toEqual([0, 0]);
    expect(JSON.parse(first!.text)).toMatchObject({ steps: 2 });
  });

  it("says what is missing when nobody told where to meet, and that a launcher and --nproc are one too many", async () => {
    const out = path.join(temporaryFolder("nowhere"), "run");
    const world = { WORLD_SIZE: "2", RANK: "0" };
    const [lost, twice] = await Promise.all(
      [[], ["--nproc", "2"]].map((more) =>
        ended(startNode(command("pretrain", "toy-tiny", "--out", out, ...more), world)),
      ),
    );
    expect(lost!.text).toContain(
      "MASTER_ADDR and MASTER_PORT are not set, so these 2 processes cannot find each other",
    );
    expect(twice!.text).toContain("a launcher has started 2 processes already; leave --nproc out");
  });
});
