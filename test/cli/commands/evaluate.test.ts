import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { evaluate, register } from "../../../src/cli/commands/evaluate.ts";
import { register as registerReport } from "../../../src/cli/commands/report.ts";
import { encodeIndexedPng } from "../../../src/formats/indexed-png.ts";
import { writeNpz } from "../../../src/formats/npz.ts";

let root = "";
let written = "";
let told = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "csrm-command-"));
  for (const name of ["masks", "labels", "cams"]) mkdirSync(join(root, name));
  const png = (...data: number[]) => encodeIndexedPng({ width: 2, height: 1, data: Uint8Array.from(data) });
  const cam = (...scores: number[]) =>
    writeNpz({
      keys: { data: BigInt64Array.of(0n, 8n), shape: [2] },
      cam: { data: Float32Array.from(scores), shape: [1, 1, 2] },
    });
  for (const [id, mask, label, scores] of [
    ["a", [0, 8], [0, 8], [0.2, 0.9]],
    ["b", [12, 0], [12, 8], [0.4, 0.1]],
  ] as const) {
    writeFileSync(join(root, "masks", `${id}.png`), png(...mask));
    writeFileSync(join(root, "labels", `${id}.png`), png(...label));
    writeFileSync(join(root, "cams", `${id}.npz`), cam(...scores));
  }
  writeFileSync(join(root, "one.txt"), "a\n");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

async function csrm(...args: string[]): Promise<string> {
  written = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written += String(text);
    return true;
  });
  told = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += String(text);
    return true;
  });
  const program = new Command("csrm").exitOverride();
  register(program);
  registerReport(program);
  await program.parseAsync(
    args.map((arg) => arg.replace("ROOT", root)),
    { from: "user" },
  );
  return written;
}

const labels = ["evaluate", "--predictions", "ROOT/labels", "--masks", "ROOT/masks", "--classes", "voc"];
const cams = ["evaluate", "--predictions", "ROOT/cams", "--masks", "ROOT/masks", "--classes", "voc"];

describe("csrm evaluate", () => {
  it("prints fractions as JSON, and percent with their making as text", async () => {
    const result = JSON.parse(await csrm(...labels, "--subset", "cat,dog", "--crf", "--json"));
    expect(result).toMatchObject({ count: 2, crf: true, names: ["background", "cat", "dog"] });
    expect(result.miou).toBeCloseTo((0.5 + 0.5 + 1) / 3, 6);
    const text = await csrm(...labels, "--subset", "cat,dog", "--label", "mine", "--no-crf", "--tta", "flip");
    expect(text).toMatch(/mine +– +2 +– +flip +no +66\.7/);
    expect(text).toMatch(/dog +100\.0/);
  });

  it("tells of predictions that had another size than their masks", async () => {
    await csrm(...labels);
    expect(told).not.toContain("another size");
    mkdirSync(join(root, "turned"));
    const turned = encodeIndexedPng({ width: 1, height: 2, data: Uint8Array.of(0, 8) });
    writeFileSync(join(root, "turned/a.png"), turned);
    await csrm(...labels, "--predictions", "ROOT/turned", "--ids", "ROOT/one.txt");
    expect(told).toContain("1 of 1 predictions were of another size than their masks and resized (nearest)");
  });

  it("takes the list from --ids and names it as the split", async () => {
    const result = JSON.parse(await csrm(...labels, "--ids", "ROOT/one.txt", "--json"));
    expect(result).toMatchObject({ count: 1, split: "one" });
  });

  it("applies the best threshold of another evaluation", async () => {
    const out = join(root, "train.json");
    const first = JSON.parse(await csrm(...cams, "--ids", "ROOT/one.txt", "--out", out, "--json"));
    expect(JSON.parse(readFileSync(out, "utf8"))).toEqual(first);
    const second = JSON.parse(await csrm(...cams, "--threshold", out, "--json"));
    expect(second).toMatchObject({ threshold: first.best.threshold, threshold_from: "best on one" });
    expect(await csrm(...cams, "--markdown")).toMatch(/\| 0\.05.* \|/);
  });

  it("refuses thresholds that are none, and unknown classes", async () => {
    const common = { predictions: join(root, "cams"), masks: join(root, "masks"), classes: "voc" };
    await expect(evaluate({ ...common, threshold: "1.5" })).rejects.toThrow('for --threshold, got "1.5"');
    await expect(evaluate({ ...common, threshold: "" })).rejects.toThrow("--threshold");
    await expect(evaluate({ ...common, subset: "cta" })).rejects.toThrow("cat");
  });

  it("explains itself with examples", async () => {
    await expect(csrm("evaluate", "--help")).rejects.toThrow("(outputHelp)");
    expect(written).toContain("Examples:\n  csrm evaluate --predictions");
  });
});

describe("csrm report", () => {
  it("writes a page and says where", async () => {
    mkdirSync(join(root, "run"));
    writeFileSync(join(root, "run/config.yaml"), "name: tiny\n");
    const { report } = JSON.parse(await csrm("report", "ROOT/run", "--json"));
    expect(report).toBe(join(root, "run/report.html"));
    expect(readFileSync(report, "utf8")).toContain("<h1>tiny</h1>");
  });

  it("refuses a number of rows that is none", async () => {
    await expect(csrm("report", "ROOT/run", "--rows", "many")).rejects.toThrow('rows for --rows, got "many"');
  });
});
