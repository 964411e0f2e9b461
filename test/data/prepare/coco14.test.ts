import { execFile } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset } from "../../../src/data/check.ts";
import { loadClasses } from "../../../src/data/classes.ts";
import { openDataset } from "../../../src/data/dataset.ts";
import { CocoIndex } from "../../../src/data/prepare/coco-annotations.ts";
import { drawCocoMask } from "../../../src/data/prepare/coco-mask.ts";
import { prepareCoco14 } from "../../../src/data/prepare/coco14.ts";
import type { Prepared, PrepareOptions } from "../../../src/data/prepare/prepared.ts";
import { decodeLabelPng } from "../../../src/formats/indexed-png.ts";
import { silentProgress } from "../../../src/progress.ts";
import { csrm } from "../../helpers/cli.ts";
import { coordinates, Scratch } from "../fixture.ts";

const scratch = new Scratch();
const [width, height] = [8, 6];
const box = (left: number, top: number, right: number, bottom: number) => [
  [left, top, right, top, right, bottom, left, bottom],
];
// The gappy ids of COCO's annotations.
const categories = [
  { id: 1, name: "person" },
  { id: 10, name: "traffic light" },
  { id: 17, name: "cat" },
  { id: 90, name: "toothbrush" },
];
const [person, light, cat, brush] = [1, 10, 16, 80];
const crowd = { counts: [0, 12, 36], size: [height, width] };
const name = (split: string, id: number) => `COCO_${split}_${String(id).padStart(12, "0")}.jpg`;
const imagesOf = (split: string, ids: number[]) => ids.map((id) => ({ id, file_name: name(split, id), width, height }));
const annotationsOfTrain = [
  // The small one comes first in the file and must not vanish under the large one.
  { id: 501, image_id: 9, category_id: 17, iscrowd: 0, segmentation: box(2, 2, 4, 4) },
  { id: 502, image_id: 581929, category_id: 10, iscrowd: 0, segmentation: box(0, 0, 1, 1) },
  { id: 503, image_id: 9, category_id: 90, iscrowd: 0, segmentation: box(1, 1, 7, 5) },
  { id: 900100000009, image_id: 9, category_id: 1, iscrowd: 1, segmentation: crowd },
];

const instances = (value: object) => JSON.stringify({ info: { year: 2014 }, ...value });
const prepare = (options: Partial<PrepareOptions> = {}) =>
  prepareCoco14({ from: scratch.path("in"), out: scratch.path("out"), progress: silentProgress, ...options });
const maskRows = (path: string) => {
  const { data } = decodeLabelPng(readFileSync(scratch.path(path)), path);
  return Array.from({ length: height }, (_, y) => [...data.subarray(y * width, (y + 1) * width)]);
};

beforeAll(async () => {
  for (const [split, ids] of Object.entries({ train2014: [9, 581929, 77], val2014: [42] })) {
    for (const id of ids) await scratch.picture(`in/${split}/${name(split, id)}`, coordinates(width, height));
  }
  scratch.write(
    "in/annotations/instances_train2014.json",
    instances({ images: imagesOf("train2014", [581929, 9, 77]), annotations: annotationsOfTrain, categories }),
  );
  const val = [{ id: 1, image_id: 42, category_id: 1, iscrowd: 0, segmentation: box(0, 0, 8, 6) }];
  scratch.write(
    "in/annotations/instances_val2014.json",
    instances({ categories, annotations: val, images: imagesOf("val2014", [42]) }),
  );
});
afterAll(() => scratch.remove());

describe("drawCocoMask", () => {
  const draw = (...annotations: Parameters<typeof drawCocoMask>[0]) => [
    ...drawCocoMask(annotations, { width: 4, height: 1 }, "x.json").data,
  ];
  const object = (id: number, label: number, left: number, right: number) => ({
    id,
    label,
    crowd: false,
    segmentation: box(left, 0, right, 1),
  });
  const everywhere = { counts: [0, 4], size: [1, 4] };

  it("lays smaller objects over larger ones whatever their order, and of equal ones the later annotated", () => {
    const [large, small] = [object(2, 5, 0, 4), object(1, 7, 1, 3)];
    expect(draw(large, small)).toEqual([5, 7, 7, 5]);
    expect(draw(small, large)).toEqual([5, 7, 7, 5]);
    expect(draw(object(4, 9, 0, 2), object(3, 8, 0, 2))).toEqual([9, 9, 0, 0]);
  });

  it("ignores crowds where no object is, however small they are", () => {
    const people = { id: 9, label: 1, crowd: true, segmentation: everywhere };
    expect(draw(object(1, 7, 1, 3), people)).toEqual([255, 7, 7, 255]);
    expect(draw({ ...people, segmentation: { counts: [0, 1, 3], size: [1, 4] } }, object(1, 7, 0, 3))).toEqual([
      7, 7, 7, 0,
    ]);
  });

  it.each([
    [
      { counts: [0, 4], size: [4, 1] },
      "expected a mask of its image's size, [1, 4], for annotation 3 in x.json, got [4,1]",
    ],
    [{ counts: [0, 3], size: [1, 4] }, "annotation 3 in x.json"],
    [undefined, "expected polygons or run lengths for annotation 3 in x.json, got nothing"],
    [[[0, 0, 1]], "expected x and y of every point for annotation 3 in x.json"],
    [[["a", "b"]], "annotation 3 in x.json"],
  ])("names the annotation with the outline %j", (segmentation, message) => {
    expect(() => draw({ id: 3, label: 1, crowd: false, segmentation })).toThrow(message);
  });
});

describe("prepareCoco14", () => {
  let prepared: Prepared;
  beforeAll(async () => {
    prepared = await prepare();
  });

  it("names images by twelve digits and lists them by split, ascending", () => {
    const listed = (split: string) => readFileSync(scratch.path(`out/ImageSets/Segmentation/${split}.txt`), "utf8");
    expect(listed("train2014")).toBe("000000000009\n000000000077\n000000581929\n");
    expect(listed("val2014")).toBe("000000000042\n");
    expect(readdirSync(scratch.path("out/JPEGImages")).length).toBe(4);
    const [from, to] = [`in/train2014/${name("train2014", 9)}`, "out/JPEGImages/000000000009.jpg"];
    expect(statSync(scratch.path(to)).ino).toBe(statSync(scratch.path(from)).ino);
    expect(prepared).toMatchObject({
      images: 4,
      resumed: 0,
      files: { linked: 4, copied: 0 },
      tags: { annotations: 4 },
    });
  });

  it("draws masks of contiguous class ids", () => {
    expect(maskRows("out/SegmentationClass/000000000009.png")).toEqual([
      [255, 255, 0, 0, 0, 0, 0, 0],
      [255, brush, brush, brush, brush, brush, brush, 0],
      [255, brush, cat, cat, brush, brush, brush, 0],
      [255, brush, cat, cat, brush, brush, brush, 0],
      [255, brush, brush, brush, brush, brush, brush, 0],
      [255, 255, 0, 0, 0, 0, 0, 0],
    ]);
    const row = (path: string, y: number) => maskRows(`out/SegmentationClass/${path}.png`)[y];
    expect(row("000000581929", 0)).toEqual([light, 0, 0, 0, 0, 0, 0, 0]);
    expect(row("000000000042", 5)).toEqual(Array(8).fill(person));
    expect(row("000000000077", 3)).toEqual(Array(8).fill(0));
  });

  it("writes the classes of all annotations as tags, crowds included, an empty cell where there are none", () => {
    expect(readFileSync(scratch.path("out/tags.csv"), "utf8").split("\n")).toEqual([
      "image,tags",
      "000000000009.jpg,person;cat;toothbrush",
      "000000000077.jpg,",
      "000000581929.jpg,traffic light;",
      "000000000042.jpg,person",
      "",
    ]);
  });

  it("is read by the loader and found sound", async () => {
    const data = await openDataset({ layout: "coco", root: scratch.path("out"), list: "train2014" });
    expect([data.classes.names.length, data.notes]).toEqual([81, []]);
    const report = await checkDataset(data, { masks: scratch.path("out/SegmentationClass"), requireMasks: true });
    expect(report).toMatchObject({
      images: 3,
      withoutClasses: 1,
      masks: { found: 3, wrongSize: [], illegalValues: [] },
    });
    expect(report.tagCounts["traffic light"]).toBe(1);
  });

  it("goes on where it stopped", async () => {
    rmSync(scratch.path("out/SegmentationClass/000000000009.png"));
    expect(await prepare()).toMatchObject({ images: 4, resumed: 3 });
    expect(maskRows("out/SegmentationClass/000000000009.png")[2]![2]).toBe(cat);
  });

  it("prepares one split alone and says what the other needs", async () => {
    const alone = new Scratch();
    await alone.picture(`val2014/${name("val2014", 42)}`, coordinates(width, height));
    for (const split of ["train2014", "val2014"]) {
      const path = `annotations/instances_${split}.json`;
      alone.write(path, readFileSync(scratch.path(`in/${path}`)));
    }
    const { lists, notes } = await prepare({ from: alone.root, out: alone.path("out") });
    expect(lists).toEqual([{ name: "val2014", images: 1, official: 40_504 }]);
    expect(notes[0]).toMatch(/^there is no list train2014; that of COCO 2014 has 82783 images, from train2014\.zip/);
    alone.remove();
  });
});

describe("CocoIndex", () => {
  const classes = loadClasses("coco");
  const images = imagesOf("val2014", [42]);
  const good = { id: 1, image_id: 42, category_id: 1, iscrowd: 0, segmentation: box(0, 0, 1, 1) };

  it.each([
    [{ images, categories, annotations: [{ ...good, image_id: 43 }] }, "expected annotations of its own images for"],
    [{ images, categories, annotations: [{ ...good, category_id: 2 }] }, 'got "one of category 2"'],
    [
      { images, categories, annotations: [{ ...good, image_id: "42" }] },
      "expected a whole number as image_id for an annotation (id 1)",
    ],
    [
      { images, categories: [{ id: 1, name: "unicorn" }], annotations: [] },
      "expected one of COCO's 80 class names for category 1",
    ],
    [{ images: [...images, ...images], categories, annotations: [] }, "expected ids that occur once"],
    [
      { images: [{ ...images[0], file_name: "../../etc/x.jpg" }], categories, annotations: [] },
      "a file_name without folders",
    ],
    [
      { images: [{ ...images[0], width: 1e9 }], categories, annotations: [] },
      "expected sides of 1 to 8192 pixels for image 42",
    ],
    [{ images, annotations: [] }, 'it has no array "categories"'],
  ])("refuses %j", async (value, message) => {
    const file = scratch.write("wrong.json", instances(value));
    const error = await CocoIndex.read(file, classes).catch((error: unknown) => String(error));
    expect(error).toContain(message);
    expect(error).toContain(file);
  });

  it("reads a large file in the memory of its index", async () => {
    const one = JSON.stringify({ ...good, segmentation: [Array.from({ length: 600 }, (_, i) => i % 8)] });
    const [head, tail] = instances({ images, categories, annotations: [good] }).split(JSON.stringify(good));
    const file = scratch.write("large.json", head!);
    // Bit by bit, so that the test itself leaves no large text behind that is in memory when the measuring begins.
    const part = `${one},`.repeat(200);
    for (let i = 0; i < 200; i++) appendFileSync(file, part);
    appendFileSync(file, one + tail!);
    const size = statSync(file).size;
    expect(size).toBeGreaterThan(45 * 2 ** 20);
    // In a process of its own, where nothing else takes or frees memory meanwhile.
    const source = (path: string) => JSON.stringify(new URL(`../../../src/data/${path}`, import.meta.url).href);
    const script = scratch.write(
      "measure.mts",
      `import { CocoIndex } from ${source("prepare/coco-annotations.ts")};
       import { loadClasses } from ${source("classes.ts")};
       const used = () => {
         gc();
         const { heapUsed, external } = process.memoryUsage();
         return heapUsed + external;
       };
       const before = used();
       let [most, calls] = [0, 0];
       const index = await CocoIndex.read(process.argv[2], loadClasses("coco"), () => {
         if (++calls % 8 === 0) most = Math.max(most, used() - before);
       });
       const { annotations, images } = index;
       console.log(JSON.stringify({ most, calls, annotations, labels: index.labelsOf(images[0]) }));`,
    );
    const cwd = fileURLToPath(new URL("../../..", import.meta.url));
    const args = ["--expose-gc", "--import", "tsx", script, file];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd });
    const { most, calls, ...read } = JSON.parse(stdout) as { most: number; calls: number };
    expect(read).toEqual({ annotations: 40_001, labels: [person] });
    expect(calls).toBeGreaterThan(40);
    // The index (three numbers an annotation) and a few pieces of the file; who held all of it would need more than its size.
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(size / 2);
    rmSync(file);
  });
});

describe("csrm data prepare coco14", () => {
  it("prints what it made, and names missing archives and photographs", async () => {
    const run = (from: string, out: string) =>
      csrm("data", "prepare", "coco14", "--from", scratch.path(from), "--out", scratch.path(out));
    const made = await run("in", "cli");
    expect(made).toMatchObject({ code: 0 });
    expect(made.stdout).toContain("4 images (0 done before, 4 files linked)");
    expect(made.stdout).toContain("list val2014: 1 images (official: 40504)");
    const absent = await run("nope", "none");
    expect(absent).toMatchObject({ code: 1, stdout: "" });
    expect(absent.stderr).toContain(`no such folder: ${scratch.path("nope")} (--from)`);
    const empty = await run("in/annotations", "none");
    expect(empty).toMatchObject({ code: 1, stdout: "" });
    expect(empty.stderr).toMatch(
      /no COCO 2014 in .*: unpack train2014\.zip and annotations_trainval2014\.zip .*instances_train2014\.json exist/,
    );
    rmSync(scratch.path(`in/train2014/${name("train2014", 77)}`));
    const missing = await run("in", "none");
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("1 of the 3 photographs of train2014 are missing, the first: ");
    expect(existsSync(scratch.path("none/SegmentationClass/000000000009.png"))).toBe(false);
  });
});
