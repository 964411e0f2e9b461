/** csrm verify in a run folder: training once, figures, what it refuses, and the archive for VOC's server. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeLabelPng, decodePng, encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { vocPalette } from "../../src/formats/palette.ts";
import { csrm } from "../helpers/cli.ts";
import { temporaryFolder, tinyData } from "../helpers/tiny.ts";

let root: string;
let labels: string;
let out: string;
let ids: string[];

const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const common = () => ["--set", `data.root=${root}`, "--set", "threads=1", "--set", "verify.steps=2"];
const verify = (...args: string[]) => csrm("verify", "toy-tiny", ...common(), ...args);

beforeAll(async () => {
  root = await tinyData();
  labels = temporaryFolder("labels");
  ids = readFileSync(path.join(root, "ImageSets/Segmentation/train.txt"), "utf8").trim().split("\n");
  const map = { data: Uint8Array.from({ length: 64 * 64 }, (_, i) => (i < 2000 ? 0 : 3)), width: 64, height: 64 };
  for (const id of ids) writeFileSync(path.join(labels, `${id}.png`), encodeIndexedPng(map));
  out = path.join(temporaryFolder("verified"), "run");
});

describe("csrm verify --labels", () => {
  it("trains, measures the lists but the first, and tells it in figures and report", async () => {
    const { code, stdout, stderr } = await verify("--labels", labels, "--out", out, "--json");
    expect([code, stderr]).toEqual([0, expect.stringContaining("verify  2/2")]);
    const result = JSON.parse(stdout);
    expect(result.steps).toBe(2);
    expect(result.model).toBe(path.join(out, "verify/model.safetensors"));
    expect(
      result.evaluations.map((e: { method: string; split: string; count: number }) => [e.method, e.split, e.count]),
    ).toEqual([
      ["verify", "val", 6],
      ["verify_crf", "val", 6],
    ]);
    const stored = json(path.join(out, "evaluate/val-verify_crf.json"));
    expect(stored).toMatchObject({ label: "DeepLabV3+ + dCRF", crf: true, kind: "labels", tta: "none", resized: 0 });
    expect(stored.predictions).toBe("verify/predictions/val/crf");
    expect(stored.iou).toHaveLength(stored.names.length);
    const report = readFileSync(path.join(out, "report.html"), "utf8");
    for (const text of ["Verification network", "DeepLabV3+ + dCRF"]) expect(report).toContain(text);
    const png = readFileSync(path.join(out, "verify/predictions/val/labels/val_00000.png"));
    expect(decodeLabelPng(png, "a")).toMatchObject({ width: 64, height: 64 });
  });

  it("does nothing twice", async () => {
    const files = ["verify/model.safetensors", "verify/predictions/val/crf/val_00003.png", "verify/metrics.jsonl"];
    const before = files.map((file) => statSync(path.join(out, file)).mtimeMs);
    const { code, stdout } = await csrm("verify", "--out", out);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/DeepLabV3\+ {2,}val/)]);
    expect(files.map((file) => statSync(path.join(out, file)).mtimeMs)).toEqual(before);
  });

  it("predicts anew, with the same network, when the way to predict was changed", async () => {
    const summary = path.join(out, "summary.json");
    writeFileSync(summary, JSON.stringify({ stages: {}, verify: { miou: 0.5 }, verify_crf: { miou: 0.5 } }));
    const model = path.join(out, "verify/model.safetensors");
    const before = statSync(model).mtimeMs;
    const { code, stderr } = await csrm("verify", "--out", out, "--set", "verify.predict.crf=false");
    expect([code, stderr]).toEqual([0, expect.stringMatching(/kept the old results as .*verify val +6\/6/s)]);
    expect(statSync(model).mtimeMs).toBe(before);
    const there = (name: string) => existsSync(path.join(out, "evaluate", name));
    expect([there("val-verify.json"), there("val-verify_crf.json")]).toEqual([true, false]);
    const { verify: now, verify_crf: gone } = json(summary);
    expect([now.miou, gone]).toEqual([json(path.join(out, "evaluate/val-verify.json")).miou, undefined]);
    rmSync(summary);
    expect((await csrm("verify", "--out", out, "--set", "verify.predict.crf=true")).code).toBe(0);
    expect(there("val-verify_crf.json")).toBe(true);
  });

  it("refuses other label maps and another configuration, and begins anew with --fresh", async () => {
    const other = temporaryFolder("other");
    expect((await verify("--labels", other, "--out", out)).stderr).toMatch(
      /was trained on the label maps of .*--fresh/,
    );
    const changed = await verify("--set", "verify.batch=2", "--out", out);
    expect(changed.stderr).toMatch(/verify\.batch: 4 → 2\nsay csrm verify --fresh/);
    const everywhere = await verify("--set", "log.every_steps=7", "--fresh", "--out", out);
    expect(everywhere.stderr).toMatch(/log\.every_steps: 1 → 7\nchoose another --out/);
    expect(existsSync(path.join(out, "verify/model.safetensors"))).toBe(true);
    const fresh = await verify("--set", "verify.batch=2", "--labels", labels, "--fresh", "--out", out);
    expect([fresh.code, fresh.stderr]).toEqual([0, expect.stringContaining("kept the old results as")]);
    expect(readFileSync(path.join(out, "config.yaml"), "utf8")).toMatch(/verify:[\s\S]*batch: 2/);
  });

  it("adds its figures to the run's summary", async () => {
    const file = path.join(out, "summary.json");
    writeFileSync(file, JSON.stringify({ recipe: "x", seconds: 10, stages: { train: 10 }, csrm: { miou: 0.5 } }));
    await csrm("verify", "--out", out);
    const { seconds, stages, csrm: before, verify: now } = json(file);
    expect([before.miou, now.val, now.miou === now.val]).toEqual([0.5, expect.any(Number), true]);
    expect(seconds).toBeCloseTo(10 + stages.verify, 9);
  });

  it("never learns from masks, whatever path leads to them", async () => {
    const masks = path.join(root, "masks", "..", "SegmentationClass");
    mkdirSync(path.join(root, "masks"));
    const { code, stderr } = await verify("--labels", masks, "--out", path.join(temporaryFolder("cheat"), "run"));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/label maps that were predicted.*these are the masks/)]);
  });

  it("says what is missing", async () => {
    const fresh = () => path.join(temporaryFolder("missing"), "run");
    expect((await verify("--out", fresh())).stderr).toMatch(/no network at .*do csrm run on the same --out first/);
    expect((await csrm("verify", "--out", fresh())).stderr).toMatch(/there is no run at .* that names one/);
    expect((await verify("--labels", "/nowhere", "--out", fresh())).stderr).toMatch(/no such folder/);
    const few = temporaryFolder("few");
    const without = await verify("--labels", few, "--out", fresh());
    expect(without.stderr).toMatch(/12 of the 12 images of list train have no label map.*verify\.list/);
    const nothing = encodeIndexedPng({ data: new Uint8Array(64 * 64).fill(255), width: 64, height: 64 });
    for (const id of ids) writeFileSync(path.join(few, `${id}.png`), nothing);
    const unknown = await verify("--labels", few, "--out", fresh());
    expect(unknown.stderr).toMatch(/expected a pixel with a label for the label maps of .*unknown \(255\) everywhere/);
    const badWeights = await verify("--labels", labels, "--set", "verify.weights=/none.pth", "--out", fresh());
    expect(badWeights.stderr).toContain("cannot read /none.pth: no such file");
    const badBackbone = await verify("--labels", labels, "--set", "verify.backbone=resnest42", "--out", fresh());
    expect(badBackbone.stderr).toContain('no backbone is called "resnest42"');
  });
});

describe("csrm verify --dry-run", () => {
  it("tells network, steps and a step's time, and leaves nothing behind", async () => {
    const nowhere = path.join(temporaryFolder("dry"), "run");
    const { code, stdout } = await verify("--dry-run", "--labels", labels, "--out", nowhere, "--json");
    const { network, images, steps, step, problems } = JSON.parse(stdout);
    expect([code, problems]).toEqual([0, []]);
    expect([network.name, network.backbone, images, steps]).toEqual(["deeplabv3plus", "resnet18", 12, 2]);
    expect(network.trainable).toBe(network.parameters);
    expect([step.loss > 0.5, step.seconds > 0]).toEqual([true, true]);
    expect(existsSync(nowhere)).toBe(false);
  });

  it("lists what stands in the way, with exit code 1", async () => {
    const nowhere = path.join(temporaryFolder("dry"), "run");
    const set = ["verify.weights=/none.pth", "verify.list=nothing"].flatMap((each) => ["--set", each]);
    const { code, stdout } = await verify("--dry-run", "--no-step", "--out", nowhere, ...set);
    expect(code).toBe(1);
    expect(stdout).toMatch(/PROBLEM +no list nothing/);
    expect(stdout).toMatch(/PROBLEM +no network at .*--labels names others/);
    const unreadable = await verify("--dry-run", "--labels", labels, "--out", nowhere, ...set.slice(0, 2));
    expect(unreadable.stdout).toMatch(/PROBLEM +cannot read \/none\.pth/);
    expect(unreadable.stdout).toMatch(/one step +not tried, see below/);
    const wild = await verify("--dry-run", "--labels", labels, "--out", nowhere, "--set", "verify.lr=1e30");
    expect([wild.code, wild.stdout]).toEqual([1, expect.stringMatching(/PROBLEM +after one step .* the loss is NaN/)]);
  });
});

describe("csrm verify --submission", () => {
  it("writes every image of the list, in its own size and with VOC's palette, where the server looks", async () => {
    const list = path.join(root, "ImageSets/Segmentation/test.txt");
    writeFileSync(list, "val_00001\nval_00004\n");
    const tar = path.join(temporaryFolder("tar"), "voc.tar");
    const { code, stdout, stderr } = await csrm("verify", "--submission", tar, "--out", out, "--json");
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining("list test has 2 images; the server of VOC 2012 takes 1456"),
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ images: 2, list: "test" });
    const names = execFileSync("tar", ["tf", tar], { encoding: "utf8" }).trim().split("\n");
    const folder = "results/VOC2012/Segmentation/comp6_test_cls";
    expect(names).toEqual([`${folder}/val_00001.png`, `${folder}/val_00004.png`]);
    const png = execFileSync("tar", ["xOf", tar, names[1]!]);
    const { colour, width, height, palette } = decodePng(png, "in the archive");
    expect({ colour, width, height }).toEqual({ colour: "palette", width: 64, height: 64 });
    expect(Buffer.compare(palette!, vocPalette())).toBe(0);
  });

  it("writes nothing where an image is missing or there is no network", async () => {
    const tar = path.join(temporaryFolder("tar"), "voc.tar");
    const image = path.join(root, "JPEGImages/val_00004.jpg");
    renameSync(image, `${image}.away`);
    const missing = await csrm("verify", "--submission", tar, "--out", out);
    expect(missing.stderr).toMatch(/1 of the 2 images of list test are missing, the first: .*val_00004/);
    renameSync(`${image}.away`, image);
    const none = path.join(temporaryFolder("none"), "run");
    expect((await verify("--submission", tar, "--out", none)).stderr).toMatch(
      /no.* at .*do csrm verify on the same --out first/,
    );
    expect((await csrm("verify", "--submission", tar, "--fresh", "--out", out)).stderr).toContain(
      "--submission by itself",
    );
    expect(existsSync(tar)).toBe(false);
    expect((await csrm("verify", "--submission", tar.replace(/tar$/, "zip"), "--out", out)).stderr).toMatch(
      /expected a \.tar file for --submission, got .*voc\.zip/,
    );
  });

  it("takes another list without another training", async () => {
    writeFileSync(path.join(root, "ImageSets/Segmentation/other.txt"), "val_00002\n");
    const tar = path.join(temporaryFolder("tar"), "voc.tar");
    const before = statSync(path.join(out, "verify/model.safetensors")).mtimeMs;
    const args = ["--submission", tar, "--set", "verify.test=other", "--out", out, "--json"];
    const { code, stdout, stderr } = await csrm("verify", ...args);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: 1, list: "other" });
    expect(statSync(path.join(out, "verify/model.safetensors")).mtimeMs).toBe(before);
  });
});

describe("csrm experiment with verify.enabled", () => {
  it("verifies the rows, but not the start that they share, which has no masks of its own", async () => {
    const folder = path.join(temporaryFolder("rows"), "ablation");
    const set = ["verify.enabled=true", "predict.crf=false", "schedule={steps: 2, warmup_steps: 1}"];
    const args = [...common(), ...set.flatMap((each) => ["--set", each]), "--rows", "s", "--out", folder];
    const { code, stderr, stdout } = await csrm("experiment", "ablation", "toy-tiny", ...args);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^ *start .*–/m);
    expect(existsSync(path.join(folder, "runs/start-s0/verify"))).toBe(false);
    expect(existsSync(path.join(folder, "runs/s-s0/verify/model.safetensors"))).toBe(true);
  });
});

describe("csrm run with verify.enabled", () => {
  it("makes the label maps of a training list that was not scored, learns from them, and does nothing twice", async () => {
    const run = path.join(temporaryFolder("whole"), "run");
    const set = ["verify.enabled=true", "data.lists.score=[val]", "schedule={steps: 2, warmup_steps: 1}"];
    const args = ["run", "toy-tiny", ...common(), ...set.flatMap((each) => ["--set", each]), "--out", run];
    const { code, stdout, stderr } = await csrm(...args);
    expect([code, stderr]).toEqual([0, expect.stringContaining("predict csrm train  12/12")]);
    expect(stdout).toMatch(/verify_crf +\d/);
    expect(json(path.join(run, "verify/source.json")).labels).toBe("refine/csrm/train");
    for (const id of ids) expect(existsSync(path.join(run, "refine/csrm/train", `${id}.png`)), id).toBe(true);
    const summary = json(path.join(run, "summary.json"));
    expect(summary.stages.verify).toBeGreaterThan(0);
    expect(summary.verify).toEqual({ miou: summary.verify.val, val: expect.any(Number) });
    const { threshold } = json(path.join(run, "evaluate/val-csrm.json"));
    expect(json(path.join(run, "predict/csrm/train/pseudo/settings.json")).threshold).toBe(threshold);
    const model = path.join(run, "verify/model.safetensors");
    const before = statSync(model).mtimeMs;
    const again = await csrm(...args);
    expect([again.code, statSync(model).mtimeMs]).toEqual([0, before]);
    expect(again.stderr).not.toContain("step/s");
  });

  it("finds out before it trains that the verification cannot be", async () => {
    const run = path.join(temporaryFolder("early"), "run");
    const set = ["verify.enabled=true", "verify.weights=/none.pth"].flatMap((each) => ["--set", each]);
    const { code, stderr } = await csrm("run", "toy-tiny", ...common(), ...set, "--out", run);
    expect([code, stderr]).toEqual([1, expect.stringContaining("cannot read /none.pth")]);
    expect(existsSync(path.join(run, "pretrain"))).toBe(false);
  });
});
