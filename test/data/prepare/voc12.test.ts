import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset } from "../../../src/data/check.ts";
import { openDataset } from "../../../src/data/dataset.ts";
import { officialSets } from "../../../src/data/official.ts";
import type { Prepared } from "../../../src/data/prepare/prepared.ts";
import { decodeSbdMask } from "../../../src/data/prepare/sbd.ts";
import { type PrepareVoc12Options, prepareVoc12 } from "../../../src/data/prepare/voc12.ts";
import { decodeLabelPng, decodePng, encodeIndexedPng } from "../../../src/formats/indexed-png.ts";
import { InterruptedError, watchInterrupts } from "../../../src/interrupt.ts";
import { silentProgress } from "../../../src/progress.ts";
import { csrm } from "../../helpers/cli.ts";
import { coordinates, Scratch } from "../fixture.ts";

const scratch = new Scratch();
const [width, height] = [7, 5];
const voc = "in/VOCdevkit/VOC2012";
const sbd = "in/benchmark_RELEASE/dataset";
const matFile = readFileSync(new URL("../../golden/mat-cls-packed.mat", import.meta.url));
const photographs = [
  "2007_000001",
  "2007_000002",
  "2007_000003",
  "2008_000001",
  "2008_000003",
  "2008_000004",
  "2008_000009",
];
const lists = {
  train: ["2007_000003", "2007_000001"],
  val: ["2007_000002", "2008_000001"],
  test: ["2008_000009"],
};
/** What SBD lists overlaps with VOC's train and val, as it really does. */
const sbdLists = { train: ["2008_000005", "2008_000001", "2007_000001"], val: ["2008_000003", "2008_000004"] };

const xml = (...names: string[]) =>
  `<annotation>${names.map((name) => `<object><name>${name}</name></object>`).join("")}</annotation>`;
const prepare = (options: Partial<PrepareVoc12Options> = {}) =>
  prepareVoc12({ from: scratch.path("in"), out: scratch.path("out"), progress: silentProgress, ...options });
const labels = (path: string) => [...new Set(decodeLabelPng(readFileSync(scratch.path(path)), path).data)];

beforeAll(async () => {
  for (const id of photographs) await scratch.picture(`${voc}/JPEGImages/${id}.jpg`, coordinates(width, height));
  await scratch.picture(`${voc}/JPEGImages/2011_999999.jpg`, coordinates(width, height));
  // One photograph comes with SBD only.
  await scratch.picture(`${sbd}/img/2008_000005.jpg`, coordinates(width, height));
  for (const [name, ids] of Object.entries(lists)) {
    scratch.write(`${voc}/ImageSets/Segmentation/${name}.txt`, `${ids.join("\n")}\n`);
  }
  for (const id of [...lists.train, ...lists.val]) {
    const data = Uint8Array.from({ length: width * height }, (_, i) => (i < 10 ? 20 : 255));
    scratch.write(`${voc}/SegmentationClass/${id}.png`, encodeIndexedPng({ data, width, height }));
    scratch.write(`${voc}/Annotations/${id}.xml`, xml("tvmonitor", "cat", "tvmonitor"));
  }
  for (const [name, ids] of Object.entries(sbdLists)) {
    scratch.write(`${sbd}/${name}.txt`, `${ids.join("\n")}\n`);
    for (const id of ids) scratch.write(`${sbd}/cls/${id}.mat`, matFile);
  }
  scratch.write(`${voc}/Annotations/2008_000004.xml`, xml("dog"));
  scratch.write(`${voc}/Annotations/2008_000009.xml`, xml("person"));
});
afterAll(() => scratch.remove());

describe("decodeSbdMask", () => {
  it("turns MATLAB's columns into rows", () => {
    const mask = decodeSbdMask(matFile, "x.mat");
    expect([mask.width, mask.height]).toEqual([7, 5]);
    const [none, people] = [
      [0, 0, 0, 0, 0, 0, 0],
      [0, 0, 15, 15, 15, 15, 0],
    ];
    expect([...mask.data]).toEqual([none, people, people, none, [3, 0, 0, 0, 0, 0, 0]].flat());
  });

  it("refuses MAT-files of something else", () => {
    const other = readFileSync(new URL("../../golden/mat-inst-plain.mat", import.meta.url));
    expect(() => decodeSbdMask(other, "x.mat")).toThrow('expected a matrix GTcls.Segmentation for x.mat, got "none"');
    const foreign = readFileSync(new URL("../../golden/mat-cls-plain.mat", import.meta.url));
    const at = foreign.indexOf(Uint8Array.of(15, 15, 0, 0, 0, 15));
    expect(at).toBeGreaterThan(0);
    foreign[at] = 21;
    expect(() => decodeSbdMask(foreign, "x.mat")).toThrow("expected ids in 0..20 for x.mat, x 2, y 1, got 21");
  });
});

describe("prepareVoc12", () => {
  let prepared: Prepared;
  beforeAll(async () => {
    prepared = await prepare();
  });

  it("joins VOC and SBD: train_aug without VOC's val, sorted", async () => {
    const idsOf = (name: string) =>
      readFileSync(scratch.path(`out/ImageSets/Segmentation/${name}.txt`), "utf8")
        .trim()
        .split("\n");
    expect(idsOf("train")).toEqual(lists.train);
    expect(idsOf("val")).toEqual(lists.val);
    expect(idsOf("trainval")).toEqual(["2007_000001", "2007_000002", "2007_000003", "2008_000001"]);
    const aug = ["2007_000001", "2007_000003", "2008_000003", "2008_000004", "2008_000005"];
    expect(idsOf("train_aug")).toEqual(aug);
    expect(idsOf("trainval_aug")).toEqual([...aug, ...lists.val].sort());
    expect(idsOf("test")).toEqual(lists.test);
  });

  it("takes photographs of lists only, as second names of the originals", () => {
    expect(readdirSync(scratch.path("out/JPEGImages"))).toEqual(
      [...photographs, "2008_000005"].sort().map((id) => `${id}.jpg`),
    );
    const [from, to] = [`${voc}/JPEGImages/2007_000001.jpg`, "out/JPEGImages/2007_000001.jpg"].map((path) =>
      statSync(scratch.path(path)),
    );
    expect(to!.ino).toBe(from!.ino);
    // 8 photographs, 4 masks of VOC in two folders.
    expect(prepared.files).toEqual({ linked: 16, copied: 0 });
  });

  it("writes SBD's masks as indexed PNGs, VOC's winning", () => {
    expect(readdirSync(scratch.path("out/SegmentationClass")).length).toBe(4);
    expect(readdirSync(scratch.path("out/SegmentationClassAug")).length).toBe(7);
    expect(labels("out/SegmentationClassAug/2008_000003.png")).toEqual([0, 15, 3]);
    // In SBD as well, one of them in its training list.
    expect(labels("out/SegmentationClassAug/2007_000001.png")).toEqual([20, 255]);
    expect(labels("out/SegmentationClassAug/2008_000001.png")).toEqual([20, 255]);
    const file = readFileSync(scratch.path("out/SegmentationClassAug/2008_000003.png"));
    expect(decodePng(file, "x").colour).toBe("palette");
  });

  it("takes tags from Annotations, from masks where there is none, and gives test images none", () => {
    expect(readFileSync(scratch.path("out/tags.csv"), "utf8").split("\n")).toEqual([
      "image,tags",
      "2007_000001.jpg,cat;tvmonitor",
      "2007_000002.jpg,cat;tvmonitor",
      "2007_000003.jpg,cat;tvmonitor",
      "2008_000001.jpg,cat;tvmonitor",
      "2008_000003.jpg,bird;person",
      "2008_000004.jpg,dog",
      "2008_000005.jpg,bird;person",
      "",
    ]);
    expect(prepared.tags).toEqual({ annotations: 5, masks: 2 });
  });

  it("says how its lists differ from the official ones", () => {
    expect(prepared.lists).toContainEqual({ name: "train_aug", images: 5, official: 10_582 });
    expect(prepared.notes).toContainEqual(
      expect.stringMatching(
        /^list train has 2 images, that of Pascal VOC 2012 1464: 1462 are missing; it comes from VOCtrainval/,
      ),
    );
    expect(prepared.notes.length).toBe(Object.keys(officialSets.voc12.lists).length);
  });

  it("is read by the loader and found sound", async () => {
    const root = scratch.path("out");
    const data = await openDataset({ layout: "voc", root, list: "trainval_aug" });
    expect(data.notes).toEqual([]);
    const report = await checkDataset(data, { masks: scratch.path("out/SegmentationClassAug"), requireMasks: true });
    expect(report).toMatchObject({ images: 7, unlabelled: 0, masks: { found: 7, wrongSize: [], illegalValues: [] } });
    expect([report.tagCounts.tvmonitor, report.tagCounts.person]).toEqual([4, 2]);
  });

  it("goes on where it stopped, and does masks that have changed anew", async () => {
    expect(await prepare()).toMatchObject({ images: 8, resumed: 8, files: { linked: 0, copied: 0 } });
    rmSync(scratch.path("out/JPEGImages/2007_000001.jpg"));
    const soon = new Date(Date.now() + 60_000);
    utimesSync(scratch.path(`${sbd}/cls/2008_000004.mat`), soon, soon);
    expect(await prepare()).toMatchObject({ resumed: 6 });
    expect(existsSync(scratch.path("out/JPEGImages/2007_000001.jpg"))).toBe(true);
    utimesSync(scratch.path(`${sbd}/cls/2008_000004.mat`), new Date(0), new Date(0));
  });

  it("stops between two images on Ctrl-C and goes on from there", async () => {
    const out = scratch.path("stopped");
    const task = () => ({ update: () => process.emit("SIGINT"), finish() {}, [Symbol.dispose]() {} });
    const messages: string[] = [];
    const stopWatching = watchInterrupts((message) => messages.push(message));
    const stopped = await prepare({ out, progress: { ...silentProgress, task } }).catch((error: unknown) => error);
    stopWatching();
    expect(stopped).toBeInstanceOf(InterruptedError);
    expect(messages.length).toBe(1);
    expect(existsSync(join(out, "tags.csv"))).toBe(false);
    const { resumed, images } = await prepare({ out });
    expect([resumed > 0, resumed < images]).toEqual([true, true]);
  });

  it("copies when told to", async () => {
    const { files } = await prepare({ out: scratch.path("copies"), copy: true });
    expect(files).toEqual({ linked: 0, copied: 16 });
    const copy = statSync(scratch.path("copies/JPEGImages/2007_000001.jpg"));
    expect(copy.ino).not.toBe(statSync(scratch.path(`${voc}/JPEGImages/2007_000001.jpg`)).ino);
  });

  it("does without SBD and test, and says which archives would bring them", async () => {
    const alone = new Scratch();
    for (const id of ["2007_000001", "2007_000002"]) {
      await alone.picture(`VOC2012/JPEGImages/${id}.jpg`, coordinates(width, height));
      alone.write(
        `VOC2012/SegmentationClass/${id}.png`,
        readFileSync(scratch.path(`${voc}/SegmentationClass/${id}.png`)),
      );
    }
    alone.write("VOC2012/ImageSets/Segmentation/train.txt", "2007_000001\n");
    alone.write("VOC2012/ImageSets/Segmentation/val.txt", "2007_000002\n");
    const { lists, notes, tags } = await prepare({ from: alone.path("VOC2012"), out: alone.path("out") });
    expect(lists.map(({ name }) => name)).toEqual(["train", "val", "trainval"]);
    expect(tags).toEqual({ annotations: 0, masks: 2 });
    expect(notes.join("\n")).toMatch(/there is no list train_aug; .*benchmark\.tgz/);
    expect(notes.join("\n")).toMatch(/there is no list test; .*VOC2012test\.tar/);
    expect(notes.at(-1)).toContain("--sbd DIR");
    const given = await prepare({ from: alone.path("VOC2012"), out: alone.path("out"), sbd: scratch.path("in") }).catch(
      (error: unknown) => error,
    );
    // SBD lists images that this VOC lacks: nothing of it was written.
    expect(String(given)).toMatch(/\d files of the lists are missing, the first: .*2008_000001\.jpg/);
    alone.remove();
  });
});

describe("csrm data prepare voc12", () => {
  it("prints what it made, as text and as JSON", async () => {
    const args = ["data", "prepare", "voc12", "--from", scratch.path(voc), "--out", scratch.path("cli")];
    const first = await csrm(...args);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain(`${scratch.path("cli")}: 8 images (0 done before, 16 files linked)`);
    expect(first.stdout).toContain("list train_aug: 5 images (official: 10582)");
    expect(first.stdout).toContain("tags.csv: 5 from annotations, 2 from masks");
    const check = await csrm("data", "check", "--root", scratch.path("cli"), "--layout", "voc", "--list", "train");
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(
      /lists that are not the published ones: 1\n.*train\.txt: list train has 2 images, .* 1462 are missing/,
    );
    const again = await csrm(...args, "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ dataset: "voc12", images: 8, resumed: 8 });
  });

  it("places photographs and VOC's masks unread, and data check names the damaged ones", async () => {
    const [photograph, mask] = [`${voc}/JPEGImages/2007_000001.jpg`, `${voc}/SegmentationClass/2007_000003.png`];
    const whole = [photograph, mask].map((file) => [file, readFileSync(scratch.path(file))] as const);
    const out = scratch.path("unread");
    for (const [file, bytes] of whole) writeFileSync(scratch.path(file), bytes.subarray(0, bytes.length >> 1));
    const made = await csrm("data", "prepare", "voc12", "--from", scratch.path("in"), "--out", out, "--copy");
    for (const [file, bytes] of whole) writeFileSync(scratch.path(file), bytes);
    expect(made).toMatchObject({ code: 0 });
    const place = ["--root", out, "--layout", "voc", "--list", "train", "--masks", join(out, "SegmentationClass")];
    const { code, stdout } = await csrm("data", "check", ...place);
    expect(code).toBe(1);
    for (const file of ["JPEGImages/2007_000001.jpg", "SegmentationClass/2007_000003.png"]) {
      expect(stdout).toContain(join(out, file));
    }
  });

  it("names missing archives, damaged files and folders of something else, and writes nothing there", async () => {
    const run = (from: string, out: string, ...more: string[]) =>
      csrm("data", "prepare", "voc12", "--from", from, "--out", out, ...more);
    const empty = await run(scratch.path(sbd), scratch.path("none"));
    expect(empty).toMatchObject({ code: 1, stdout: "" });
    expect(empty.stderr).toMatch(
      /no VOC 2012 in .*: unpack VOCtrainval_11-May-2012\.tar .* there, so that .*JPEGImages exists/,
    );
    expect(existsSync(scratch.path("none"))).toBe(false);
    expect((await run(scratch.path("in"), scratch.path("none"), "--sbd", scratch.path(voc))).stderr).toContain(
      "no SBD in",
    );
    for (const [option, from, ...more] of [
      ["--from", scratch.path("nope")],
      ["--sbd", scratch.path("in"), "--sbd", scratch.path("nope")],
    ]) {
      const absent = await run(from!, scratch.path("none"), ...more);
      expect(absent).toMatchObject({ code: 1, stdout: "" });
      expect(absent.stderr).toContain(`no such folder: ${scratch.path("nope")} (${option})`);
      expect(absent.stderr).not.toContain("unpack");
    }
    const file = scratch.write("file.txt", "");
    expect((await run(file, scratch.path("none"))).stderr).toContain(`expected a folder for --from, got "${file}"`);
    expect(existsSync(scratch.path("none"))).toBe(false);
    expect((await run(scratch.path("in"), scratch.path("in"))).stderr).toContain("choose another --out");
    writeFileSync(scratch.path(`${sbd}/cls/2008_000004.mat`), matFile.subarray(0, 200));
    const broken = await run(scratch.path("in"), scratch.path("broken"));
    writeFileSync(scratch.path(`${sbd}/cls/2008_000004.mat`), matFile);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain(
      `cannot read ${scratch.path(`${sbd}/cls/2008_000004.mat`)} as a MAT-file: it is cut off`,
    );
    expect(existsSync(scratch.path("broken/SegmentationClassAug/2008_000004.png"))).toBe(false);
  });
});
