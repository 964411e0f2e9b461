import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeLabelPng } from "../../src/formats/indexed-png.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

const root = path.resolve(fileURLToPath(new URL(".", import.meta.url)), "../..");
const main = path.join(root, "dist/cli/main.js");

function run(file: string, ...args: string[]): string {
  return execFileSync(process.execPath, [file, ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

const hash = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));

describe("npm run demo -- --tiny", () => {
  const out = path.join(temporaryFolder("demo"), "run");

  it("goes from nothing to masks, figures and a report", () => {
    const text = run("scripts/demo.mjs", "--tiny", "--out", out);
    expect(text).toMatch(/start\b.*\d+\.\d/);
    expect(text).toContain(path.join(out, "report.html"));
    const summary = json(path.join(out, "summary.json"));
    for (const method of ["start", "csrm", "csrm_crf"]) {
      expect(summary[method].miou).toBeGreaterThan(0);
      expect(summary[method].miou).toBeLessThan(1);
    }
    expect(summary.seconds).toBeGreaterThan(0);
    for (const file of [
      "config.yaml",
      "environment.json",
      "report.html",
      "train/metrics.jsonl",
      "train/model.safetensors",
    ]) {
      expect(existsSync(path.join(out, file)), file).toBe(true);
    }
    const labels = readdirSync(path.join(out, "refine/csrm/val")).filter((name) => name.endsWith(".png"));
    expect(labels).toHaveLength(6);
    const map = decodeLabelPng(readFileSync(path.join(out, "refine/csrm/val", labels[0]!)), labels[0]!);
    expect([map.width, map.height]).toEqual([64, 64]);
    expect(Math.max(...map.data)).toBeLessThanOrEqual(7);
  });

  it("does nothing twice when called again", () => {
    const before = ["pretrain/model.safetensors", "train/model.safetensors"].map((name) => hash(path.join(out, name)));
    const lines = readFileSync(path.join(out, "train/metrics.jsonl"), "utf8");
    run("scripts/demo.mjs", "--tiny", "--out", out);
    expect(["pretrain/model.safetensors", "train/model.safetensors"].map((name) => hash(path.join(out, name)))).toEqual(
      before,
    );
    expect(readFileSync(path.join(out, "train/metrics.jsonl"), "utf8")).toBe(lines);
  });

  it("says that tags were changed since training, and uses the network as it is", () => {
    const corrected = path.join(temporaryFolder("corrected"), "run");
    run(main, "run", "toy-tiny", "--out", corrected);
    const tags = path.join(corrected, "data/tags.csv");
    const before = hash(path.join(corrected, "train/model.safetensors"));
    const lines = readFileSync(tags, "utf8").split("\n");
    const other = lines[2]!.split(",")[1]!;
    writeFileSync(tags, [lines[0], `${lines[1]!.split(",")[0]},${other}`, ...lines.slice(2)].join("\n"));
    const again = spawnSync(process.execPath, [main, "run", "toy-tiny", "--out", corrected], { encoding: "utf8" });
    expect([again.status, again.stderr]).toEqual([0, expect.stringContaining("were changed after train;")]);
    expect(hash(path.join(corrected, "train/model.safetensors"))).toBe(before);
  });

  it("does a training stage again whose network was deleted, and gets the same", () => {
    const model = path.join(out, "train/model.safetensors");
    const before = hash(model);
    rmSync(model);
    run("scripts/demo.mjs", "--tiny", "--out", out);
    expect(hash(model)).toBe(before);
  });

  it("goes on when nobody reads its messages any more", async () => {
    const deaf = path.join(temporaryFolder("deaf"), "run");
    const start = path.join(out, "pretrain/model.safetensors");
    const args = [main, "run", "toy-tiny", "--out", deaf, "--start", start];
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    child.stderr.destroy();
    child.stdout.resume();
    const code = await new Promise((done) => child.once("close", done));
    expect(code).toBe(0);
    expect(existsSync(path.join(deaf, "summary.json"))).toBe(true);
  });

  it("says how to come by a start classifier", () => {
    const empty = path.join(temporaryFolder("no-start"), "run");
    expect(() => run(main, "train", "toy-tiny", "--out", empty)).toThrow(/expected a start classifier.*csrm pretrain/);
  });

  it("refuses another recipe in the same folder, showing the difference", () => {
    expect(() => run(main, "run", "toy-tiny", "--out", out, "--set", "schedule.steps=7")).toThrow(
      /schedule\.steps: 6 → 7/,
    );
  });

  it("shares a start between runs, and trains the same from it", () => {
    const shared = path.join(temporaryFolder("shared"), "run");
    const start = path.join(out, "pretrain/model.safetensors");
    run(main, "run", "toy-tiny", "--out", shared, "--start", start);
    expect(existsSync(path.join(shared, "pretrain"))).toBe(false);
    expect(hash(path.join(shared, "train/model.safetensors"))).toBe(hash(path.join(out, "train/model.safetensors")));
    const other = path.join(out, "train/model.safetensors");
    expect(() => run(main, "run", "toy-tiny", "--out", shared, "--start", other)).toThrow(
      /began from .* another classifier/,
    );
    const fresh = path.join(temporaryFolder("fresh"), "run");
    expect(() => run(main, "run", "toy-tiny", "--out", fresh, "--start", other)).toThrow(
      /expected a start classifier .* csrm/,
    );
  });

  it("ends bit by bit as without a break when killed in the middle of training", async () => {
    const killed = path.join(temporaryFolder("killed"), "run");
    const args = [main, "run", "toy-tiny", "--out", killed];
    const child = spawn(process.execPath, args, { cwd: root, stdio: "ignore" });
    const checkpoint = path.join(killed, "train/checkpoints/last.safetensors");
    while (!existsSync(checkpoint)) {
      if (child.exitCode !== null) throw new Error(`the run ended early with code ${child.exitCode}`);
      await setTimeout(5);
    }
    child.kill("SIGKILL");
    await new Promise((done) => child.once("close", done));
    // Half of the six steps were done: a kill that came too late would prove nothing.
    expect(existsSync(path.join(killed, "train/model.safetensors"))).toBe(false);
    run(...(args as [string, ...string[]]));
    for (const name of ["pretrain/model.safetensors", "train/model.safetensors"]) {
      expect(hash(path.join(killed, name)), name).toBe(hash(path.join(out, name)));
    }
  });

  it("names a missing mask before it trains, and trains, predicts and writes labels with all masks gone", () => {
    const blind = path.join(temporaryFolder("blind"), "run");
    run(main, "data", "toy", "--out", path.join(blind, "data"), "--train", "12", "--val", "6", "--size", "64");
    rmSync(path.join(blind, "data/SegmentationClass"), { recursive: true });
    const data = path.join(blind, "data");
    const args = ["toy-tiny", "--out", path.join(blind, "out"), "--set", `data.root=${data}`];
    expect(() => run(main, "run", ...args)).toThrow(
      /12 of the 12 images of list train have no mask.*SegmentationClass/,
    );
    expect(existsSync(path.join(blind, "out/pretrain/model.safetensors"))).toBe(false);
    run(main, "pretrain", ...args);
    run(main, "train", ...args);
    run(main, "run", ...args, "--set", "data.lists.score=[]", "--set", "predict.threshold=0.3");
    expect(existsSync(path.join(blind, "out/refine/csrm/all/val_00005.png"))).toBe(true);
  });
});
