/** Experiments that only look at runs: thresholds, comparisons, pictures. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { loadClasses } from "../../src/data/classes.ts";
import { Confusion } from "../../src/evaluation/confusion.ts";
import { type Evaluation, evaluationOfLabels } from "../../src/evaluation/evaluation.ts";
import { published } from "../../src/experiments/published.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { csrm } from "../helpers/cli.ts";
import { temporaryFolder } from "../helpers/tiny.ts";
import { expectWellFormed } from "../report/markup.ts";
import { evaluation, saveRun } from "./fixture.ts";

/** An evaluation of scores with a sweep. */
function swept(mious: Record<number, number>, changes: Partial<Evaluation>): Evaluation {
  const sweep = Object.entries(mious).map(([threshold, miou]) => {
    return { threshold: Number(threshold), miou, miou_fg: miou, fp: 0, fn: 0, iou: [miou, miou, miou] };
  });
  return evaluation([90, 50, 50], { kind: "cams", split: "val", method: "csrm", label: "CSRM", sweep, ...changes });
}

describe("csrm experiment threshold", () => {
  it("averages the sweeps of seeds at the thresholds that all have, and marks the best", async () => {
    const root = temporaryFolder("threshold");
    const start = swept({ 0.1: 0.2, 0.3: 0.4 }, { method: "start", label: "start CAM" });
    saveRun(path.join(root, "a0"), [start, swept({ 0.1: 0.5, 0.2: 0.7, 0.3: 0.6 }, {})]);
    saveRun(path.join(root, "a1"), [swept({ 0.1: 0.54, 0.25: 0.9, 0.3: 0.62 }, {})]);
    const out = path.join(root, "out");
    const runs = ["a0", "a1"].map((name) => `A=${path.join(root, name)}`);
    const { code, stdout, stderr } = await csrm("experiment", "threshold", ...runs, "--out", out, "--json");
    expect([code, stderr]).toEqual([0, ""]);
    const { split, curves } = JSON.parse(stdout);
    expect(split).toBe("val");
    expect(curves.map(({ name }: { name: string }) => name)).toEqual(["A: start CAM", "A: CSRM"]);
    expect(curves[1].points.map(({ threshold }: { threshold: number }) => threshold)).toEqual([0.1, 0.3]);
    expect(curves[1].points[0].miou).toMatchObject({ n: 2, mean: 0.52 });
    expect(readFileSync(path.join(out, "table.md"), "utf8")).toContain("| 0.3 | 40.0 * | 61.0 ± 1.4 * |");
    expect(readFileSync(path.join(out, "table.csv"), "utf8")).toContain("A: start CAM,val,0.1,1,0.2,\n");
    expect((await sharp(path.join(out, "figure.png")).metadata()).width).toBe(2 * 660);
  });

  it("takes paths that end alike for different things, unless a label says that they are one", async () => {
    const root = temporaryFolder("threshold");
    const runs = ["before", "after"].map((name) => {
      mkdirSync(path.join(root, name));
      return saveRun(path.join(root, name, "animals"), [swept({ 0.1: name === "before" ? 0.5 : 0.6 }, {})]);
    });
    const names = async (...paths: string[]) => {
      const { stdout } = await csrm("experiment", "threshold", ...paths, "--out", path.join(root, "out"), "--json");
      return JSON.parse(stdout).curves.map(({ name }: { name: string }) => name);
    };
    expect(await names(...runs)).toEqual(runs);
    expect(await names(...runs.map((run) => path.join(run, "evaluate/val-csrm.json")))).toHaveLength(2);
    expect(await names(runs[0]!, `b=${runs[1]}`)).toEqual(["animals", "b"]);
    expect(await names(...runs.map((run) => `one=${run}`))).toEqual(["one: CSRM"]);
  });

  it("names the lists that have sweeps, and what is no run", async () => {
    const root = temporaryFolder("threshold");
    const run = saveRun(path.join(root, "a"), [swept({ 0.1: 0.5 }, {})]);
    const other = await csrm("experiment", "threshold", run, "--list", "test", "--out", root);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("one of the lists val for --list")]);
    const labels = saveRun(path.join(root, "b"), [evaluation([90, 50, 50], { split: "val", method: "csrm_crf" })]);
    const none = await csrm("experiment", "threshold", labels, "--out", root);
    expect(none.stderr).toContain("expected evaluations of scores, which have a sweep");
    const absent = await csrm("experiment", "threshold", path.join(root, "gone"), "--out", root);
    expect(absent.stderr).toMatch(/expected a run folder.*got .*gone/);
    const method = await csrm("experiment", "threshold", run, "--methods", "start", "--out", root);
    expect(method.stderr).toContain("holds no evaluation of start; there are csrm on val");
  });

  it("does not leave out in silence what has no sweep on the list", async () => {
    const root = temporaryFolder("threshold");
    const a = saveRun(path.join(root, "a"), [swept({ 0.1: 0.5 }, {})]);
    const b = saveRun(path.join(root, "b"), [swept({ 0.1: 0.5 }, { split: "other" })]);
    const { code, stderr } = await csrm("experiment", "threshold", a, b, "--list", "val", "--out", root);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('expected evaluations of scores on val for b, got "some on other"'),
    ]);
  });
});

const EXPERIMENT = "experiment: ablation\nrows: {s: L_s}\nseeds: [0]\nrecipe: {name: toy}\n";

describe("csrm experiment compare", () => {
  it("puts seeds under one name, and classes side by side", async () => {
    const root = temporaryFolder("compare");
    const one = (right: number[]) => [evaluation(right, { split: "val", method: "csrm", label: "CSRM" })];
    const runs = [
      `A=${saveRun(path.join(root, "a0"), one([100, 60, 50]))}`,
      `A=${saveRun(path.join(root, "a1"), one([100, 80, 50]))}`,
      saveRun(path.join(root, "b"), one([100, 40, 50])),
    ];
    const out = path.join(root, "out");
    const { code, stdout } = await csrm("experiment", "compare", ...runs, "--out", out);
    expect(code).toBe(0);
    // IoU: cat .6 and .8, dog .5, background 100 / 190 and 100 / 170.
    expect(stdout).toMatch(/^A +resnet18 +measured +2 +58\.6 ± 6\.2$/m);
    const text = readFileSync(path.join(out, "table.md"), "utf8");
    expect(text).toContain("| class | A | b |");
    expect(text).toContain("| cat | 70.0 ± 14.1 | 40.0 |");
    expect(text).not.toContain("paper");
    expect(existsSync(path.join(out, "figure.svg"))).toBe(true);
  });

  it("averages no figures of other images, and says where lists of one name are not the same", async () => {
    const root = temporaryFolder("compare");
    const figures = { split: "val", method: "csrm", label: "CSRM" };
    const a = saveRun(path.join(root, "a"), [evaluation([100, 60, 50], figures)]);
    const b = saveRun(path.join(root, "b"), [evaluation([100, 40, 50], { ...figures, count: 9 })]);
    const out = path.join(root, "out");
    const seeds = await csrm("experiment", "compare", `A=${a}`, `A=${b}`, "--out", out);
    expect([seeds.code, seeds.stderr]).toEqual([1, expect.stringMatching(/for val of A, got "2 images in .*, 9 in /)]);
    const beside = await csrm("experiment", "compare", a, b, "--out", out);
    expect(beside.stdout).toContain("not the same images or classes: val: 2 images of a, 9 images of b.");
    expect(readFileSync(path.join(out, "table.md"), "utf8")).toContain("val: 2 images of a, 9 images of b.");
  });

  it("takes an experiment whose start lacks a method", async () => {
    const root = temporaryFolder("compare");
    const run = (key: string, method: string) => {
      saveRun(path.join(root, "runs", `${key}-s0`), [
        evaluation([100, 60, 50], { split: "val", method, label: method }),
      ]);
      writeFileSync(path.join(root, "runs", `${key}-s0`, "summary.json"), "{}");
    };
    run("start", "start");
    run("s", "csrm");
    writeFileSync(path.join(root, "experiment.yaml"), EXPERIMENT);
    const shown = ["experiment", "compare", root, "--out", path.join(root, "out")];
    const { stdout, stderr } = await csrm(...shown, "--methods", "csrm");
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^L_s: csrm +resnet18 +measured +1/m);
    expect((await csrm(...shown, "--methods", "verify")).stderr).toContain("holds no evaluation of verify");
  });

  it("tells the paper's rows from measured ones, and gives its classes only to classes of its data", async () => {
    const root = temporaryFolder("compare");
    const voc = loadClasses("voc");
    const confusion = new Confusion(voc.ids.length);
    for (const k of voc.ids.keys()) confusion.counts[k * voc.ids.length + k] = 10;
    const whole = { ...evaluationOfLabels(confusion, { classes: voc, count: 3 }), method: "csrm", split: "val" };
    const ours = saveRun(path.join(root, "whole"), [whole]);
    const out = path.join(root, "out");
    const printed = ["--published", "voc12", "--out", out];
    expect((await csrm("experiment", "compare", ours, ...printed)).code).toBe(0);
    const text = readFileSync(path.join(out, "table.md"), "utf8");
    expect(text).toContain("|  | network | figures | seeds | val | VOC 2012 val | VOC 2012 test |");
    expect(text).toContain("| CSRM | ResNeSt-269, DeepLabV3+ | paper, Table 3 | – | – | 74.5 | 75.0 |");
    expect(text).toContain("they were not measured here");
    expect(text).toContain("CSRM (paper, Table 5, VOC 2012 test)");
    expect(text).toMatch(/\| mean \| 100\.0 \|.*\| 75\.0 \|/);
    // A subset keeps its classes' figures, not the mean over all; the toy set's ids say nothing.
    const cats = evaluation([90, 50, 50], { split: "val", method: "csrm" });
    await csrm("experiment", "compare", saveRun(path.join(root, "cats"), [cats]), ...printed);
    const subset = readFileSync(path.join(out, "table.md"), "utf8");
    expect(subset).toMatch(/\| cat \| 45\.5 \|.* 86\.8 \|\n/);
    expect(subset).toMatch(/\| mean \| 46\.8 \|.* – \|\n/);
    const toy = { ...cats, ids: [0, 1, 2], names: ["background", "cow", "dog"] };
    await csrm("experiment", "compare", saveRun(path.join(root, "toy"), [toy]), ...printed);
    expect(readFileSync(path.join(out, "table.md"), "utf8")).not.toContain("Table 5");
  });
});

describe("the paper's tables", () => {
  it("are whole: every row has its figures, and classes average to the printed mean", () => {
    expect([published.voc12.rows.length, published.coco14.rows.length]).toEqual([34, 18]);
    for (const { miou } of [...published.voc12.rows, ...published.coco14.rows]) {
      for (const value of Object.values(miou)) expect(value).toSatisfy((is: number) => is > 30 && is < 82);
    }
    for (const { iou, mean } of published.voc12.classes!.rows) {
      expect(iou).toHaveLength(21);
      expect(Math.abs(iou.reduce((a, b) => a + b) / 21 - mean)).toBeLessThan(0.1);
    }
  });
});

describe("csrm experiment qualitative", () => {
  /** Two runs over the same three photographs; run b has no mask of the last. */
  async function pictures(): Promise<{ root: string; runs: string[] }> {
    const root = temporaryFolder("qualitative");
    const save = (file: string, data: Uint8Array) => {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), data);
    };
    const labels = (value: number) => encodeIndexedPng({ width: 8, height: 6, data: new Uint8Array(48).fill(value) });
    const photo = { create: { width: 8, height: 6, channels: 3 as const, background: "#7799bb" } };
    for (const id of ["x", "y", "z"]) {
      save(`photos/${id}.jpg`, await sharp(photo).jpeg().toBuffer());
      save(`masks/${id}.png`, labels(8));
      save(`a/refine/${id}.png`, labels(12));
      if (id !== "z") save(`b/refine/${id}.png`, labels(0));
    }
    const folders = { images: path.join(root, "photos"), masks: path.join(root, "masks"), predictions: "refine" };
    const one = evaluation([90, 50, 50], { split: "val", method: "csrm_crf", ...folders });
    return { root, runs: ["a", "b"].map((name) => saveRun(path.join(root, name), [one])) };
  }

  it("draws photograph, ground truth and one column a run, as one picture and as a page", async () => {
    const { root, runs } = await pictures();
    const out = path.join(root, "out");
    const shown = ["--runs", `first=${runs[0]}`, runs[1]!, "--ids", "y,x", "--out", out];
    const { code, stdout } = await csrm("experiment", "qualitative", ...shown, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      list: "val",
      columns: ["image", "ground truth", "first", "b"],
      ids: ["y", "x"],
    });
    expect((await sharp(path.join(out, "pictures.png")).metadata()).width).toBe(4 * 246 + 6);
    const page = readFileSync(path.join(out, "pictures.html"), "utf8");
    expect(expectWellFormed(page).filter((name) => name === "img")).toHaveLength(8);
    expect(page).toContain("</i>cat</span>");
    expect(page).toContain("</i>dog</span>");
    expect(page.indexOf('alt="ground truth of y"')).toBeLessThan(page.indexOf('alt="first of y"'));
  });

  it("chooses images that all have, and names what an asked for image lacks", async () => {
    const { root, runs } = await pictures();
    const out = path.join(root, "out");
    const { stdout } = await csrm("experiment", "qualitative", "--runs", ...runs, "--out", out, "--json");
    expect(JSON.parse(stdout).ids).toEqual(["x", "y"]);
    const missing = await csrm("experiment", "qualitative", "--runs", ...runs, "--ids", "z", "--out", out);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringMatching(/a prediction of z .*b\/refine\/z\.png/)]);
    const absent = await csrm("experiment", "qualitative", "--runs", ...runs, "--ids", "w", "--out", out);
    expect(absent.stderr).toContain("a photograph w");
    const list = await csrm("experiment", "qualitative", "--runs", ...runs, "--list", "train", "--out", out);
    expect(list.stderr).toContain("expected one of val for --list");
  });
});
