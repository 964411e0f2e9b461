import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDataset } from "../../src/data/check.ts";
import { type DatasetOptions, openDataset } from "../../src/data/dataset.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { coordinates, Scratch } from "./fixture.ts";

const scratch = new Scratch();
const voc = (extra: Partial<DatasetOptions> = {}) =>
  openDataset({ layout: "voc", root: scratch.path("voc"), list: "train", ...extra });
const folder = (extra: Partial<DatasetOptions> = {}) =>
  openDataset({ layout: "folder", root: scratch.path("own"), ...extra });
const object = (name: string) => `<object><name>${name}</name></object>`;
const mask = (width: number, height: number, ...ids: number[]) =>
  encodeIndexedPng({
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => ids[i % ids.length]!),
  });

beforeAll(async () => {
  for (const [i, id] of ["2007_000001", "2007_000002", "2007_000003", "2007_000004"].entries()) {
    await scratch.picture(`voc/JPEGImages/${id}.jpg`, coordinates(40 + i, 30));
  }
  scratch.write("voc/ImageSets/Segmentation/train.txt", "2007_000001\r\n2007_000002.jpg\r\n\r\n2007_000003\r\n");
  scratch.write("voc/ImageSets/Segmentation/val.txt", "2007_000004\n2007_000009\n");
  scratch.write("voc/ImageSets/Segmentation/empty.txt", "\n");
  scratch.write("voc/ImageSets/Segmentation/twice.txt", "2007_000001\n2007_000001\n");
  scratch.write("voc/ImageSets/Segmentation/outside.txt", "../photos/tom\n");
  scratch.write("voc/ImageSets/Segmentation/pairs.txt", "/JPEGImages/a.jpg /SegmentationClass/a.png\n");
  scratch.write("voc/Annotations/2007_000001.xml", `<annotation>${object("dog")}${object("person")}</annotation>`);
  scratch.write("voc/Annotations/2007_000002.xml", `<annotation>${object("sofa")}</annotation>`);
  scratch.write("voc/tags.csv", "image,tags\n2007_000001.jpg,dog person\n2007_000002.jpg,\n2007_000004.jpg,cat\n");
  await scratch.picture("own/tom.JPG", coordinates(20, 10));
  await scratch.picture("own/trip/rex.png", coordinates(10, 20));
  scratch.write("own/notes.txt", "x");
  scratch.write("own/.hidden.jpg", "x");
  scratch.write("own/tags.csv", "image,tags\ntom.JPG,cat\ntrip/rex.png,dog;bird\nlost.jpg,dog\n");
  mkdirSync(scratch.path("void"));
});
afterAll(() => scratch.remove());

describe("tags that look alike", () => {
  it.each([
    ["dog;Dog", "Dog and dog"],
    ["ku\u0308h;k\u00fch", "ku\u0308h and k\u00fch"],
  ])("are told of, since they become different classes: %s", async (cell, pair) => {
    const tags = scratch.write("alike.csv", `image,tags\ntom,${cell}\ntrip/rex,${cell}\n`);
    expect((await folder({ tags })).notes).toEqual([
      `${pair} are taken for different classes; if they are one, write it one way`,
    ]);
  });
});

describe("the VOC layout", () => {
  it("takes images in the list's order, tags from tags.csv, VOC's classes", async () => {
    const data = await voc();
    expect(data.name).toBe("voc/train");
    expect(data.classes.names.length).toBe(21);
    expect(data.samples.map((sample) => sample.id)).toEqual(["2007_000001", "2007_000002", "2007_000003"]);
    expect(data.samples[0]!.image).toBe(scratch.path("voc/JPEGImages/2007_000001.jpg"));
    const present = data.samples.map(({ tags }) => tags && data.classes.names.filter((_, k) => k > 0 && tags[k - 1]));
    expect(present).toEqual([["dog", "person"], [], null]);
    expect(data.notes).toEqual([`1 of 3 images are unlabelled: ${scratch.path("voc/tags.csv")} does not name them`]);
  });

  it("takes tags from Annotations, from another file or from nowhere when told to", async () => {
    const counts = async (tags: string) => (await voc({ tags })).samples.map((s) => s.tags?.reduce((a, b) => a + b, 0));
    expect(await counts("annotations")).toEqual([2, 1, undefined]);
    expect(await counts("none")).toEqual([undefined, undefined, undefined]);
    expect(await counts(scratch.write("other.csv", "image,tags\n2007_000003,cat\n"))).toEqual([
      undefined,
      undefined,
      1,
    ]);
    await expect(voc({ tags: scratch.path("no.csv") })).rejects.toThrow(/no tags at .*no.csv/);
  });

  it("reduces tags to a subset without dropping images, and counts what it ignored", async () => {
    const data = await voc({ subset: ["person", "cat"] });
    expect(data.classes).toEqual({ ids: [0, 8, 15], names: ["background", "cat", "person"] });
    expect(data.samples.map((sample) => sample.tags && [...sample.tags])).toEqual([[0, 1], [0, 0], null]);
    expect(data.notes![0]).toBe("1 tags of classes outside the subset are ignored, in 1 of 3 images");
  });

  it("takes every image without a list, and lists from elsewhere", async () => {
    expect((await voc({ list: null })).samples.length).toBe(4);
    const elsewhere = scratch.write("mine.txt", "2007_000003\n");
    expect((await voc({ list: elsewhere })).name).toBe("voc/mine");
  });

  it("names missing images unless they are to be kept", async () => {
    await expect(voc({ list: "val" })).rejects.toThrow(
      `1 of the 2 images of list val are missing, the first: ${scratch.path("voc/JPEGImages/2007_000009.jpg")}`,
    );
    expect((await voc({ list: "val", missing: "keep" })).samples.length).toBe(2);
  });

  it.each([
    ["trian", 'did you mean "train"?'],
    ["other", "there are empty, outside, pairs, train, twice, val"],
    ["empty", "expected at least one image id"],
    ["twice", "line 2: 2007_000001 already stands in line 1"],
    ["pairs", "expected one image id for"],
    ["outside", "expected an image id below the folder of images for"],
  ])("refuses the list %s", async (list, message) => {
    await expect(voc({ list })).rejects.toThrow(message);
  });

  it("names a root without JPEGImages", async () => {
    await expect(voc({ root: scratch.path("void") })).rejects.toThrow(/cannot read .*JPEGImages: no such file/);
  });
});

describe("a folder of own pictures", () => {
  it("finds pictures in folders below, ids without extension, classes from the tags", async () => {
    const data = await folder();
    expect(data.samples.map((sample) => sample.id)).toEqual(["tom", "trip/rex"]);
    expect(data.classes).toEqual({ ids: [0, 1, 2, 3], names: ["background", "bird", "cat", "dog"] });
    expect(data.samples.map((sample) => [...sample.tags!])).toEqual([
      [0, 1, 0],
      [1, 0, 1],
    ]);
    expect(data.notes).toEqual([
      `1 entries of ${scratch.path("own/tags.csv")} name images that are not there, the first: lost.jpg`,
    ]);
  });

  it("takes classes from a file and refuses tags outside it", async () => {
    const classes = scratch.write("classes.txt", "5 cat\n6 dog\n9 bird\n");
    expect((await folder({ classes })).classes.ids).toEqual([0, 5, 6, 9]);
    const fewer = scratch.write("fewer.txt", "5 cat\n6 dog\n");
    await expect(folder({ classes: fewer })).rejects.toThrow(/tags.csv, line 3: unknown tag "bird"/);
    await expect(folder({ tags: "none" })).rejects.toThrow("expected a class table for a data set without named tags");
  });

  it("says what an unusable folder holds", async () => {
    await expect(folder({ root: scratch.path("void") })).rejects.toThrow(/no pictures \(jpg, .*void; it is empty/);
    scratch.write("texts/a.heic", "x");
    await expect(folder({ root: scratch.path("texts") })).rejects.toThrow("only 1 other files such as a.heic");
    await expect(folder({ root: scratch.path("nowhere") })).rejects.toThrow("no such file");
  });

  it("refuses two pictures of one id, and tags that name none of the pictures", async () => {
    await scratch.picture("double/a.jpg", coordinates(4, 4));
    await scratch.picture("double/a.png", coordinates(4, 4));
    await expect(folder({ root: scratch.path("double") })).rejects.toThrow(
      'would both be called "a"; rename one of them',
    );
    const tags = scratch.write("wrong.csv", "image,tags\nimages/tom.jpg,cat\n");
    await expect(folder({ tags })).rejects.toThrow(
      'wrong.csv names none of the images: it has "images/tom.jpg", the data set "tom"; names begin below',
    );
  });

  it("takes a CSV of tags whatever it is called", async () => {
    const tags = scratch.write("tags.txt", "image,tags\ntom,cat\n");
    expect((await folder({ tags })).classes.names).toEqual(["background", "cat"]);
  });

  it("takes ids with spaces from a list when there are such pictures", async () => {
    await scratch.picture("spaces/my trip/rex one.png", coordinates(4, 4));
    const root = scratch.path("spaces");
    const ids = async (text: string) => {
      const data = await folder({ root, tags: "none", classes: "voc", list: scratch.write("spaces.txt", text) });
      return data.samples.map((sample) => sample.id);
    };
    expect(await ids("my trip/rex one.png\n")).toEqual(["my trip/rex one"]);
    expect(await ids("\uFEFFmy trip/rex one\r\n")).toEqual(["my trip/rex one"]);
    await expect(ids("my trip/rex two\n")).rejects.toThrow("expected one image id");
  });

  it("follows linked files and does not run in circles through linked folders", async () => {
    await scratch.picture("links/a.png", coordinates(4, 4));
    symlinkSync(scratch.path("links/a.png"), scratch.path("links/b.png"));
    symlinkSync(scratch.path("links"), scratch.path("links/again"));
    symlinkSync(scratch.path("gone"), scratch.path("links/c.png"));
    const data = await folder({ root: scratch.path("links"), tags: "none", classes: "voc" });
    expect(data.samples.map((sample) => sample.id)).toEqual(["a", "b"]);
  });
});

describe("checkDataset", () => {
  it("counts tags and sizes and finds nothing wrong in a sound set", async () => {
    const seen: number[] = [];
    const report = await checkDataset(await voc(), { onProgress: (done) => seen.push(done) });
    expect(report).toMatchObject({
      images: 3,
      missing: [],
      corrupt: [],
      unlabelled: 1,
      withoutClasses: 1,
      problems: 0,
    });
    expect(report.sizes).toEqual({ width: [40, 42], height: [30, 30] });
    expect([report.tagCounts.dog, report.tagCounts.cat]).toEqual([1, 0]);
    expect(report.masks).toBeUndefined();
    expect(seen).toEqual([1, 2, 3]);
  });

  it("finds missing and damaged images, the latter by decoding", async () => {
    const data = await voc({ list: "val", missing: "keep" });
    const whole = (await voc()).samples[0]!;
    const jpeg = readFileSync(whole.image);
    const broken = scratch.write("broken.jpg", jpeg.subarray(0, jpeg.length - 30));
    data.samples.push({ id: "broken", image: broken, tags: null });
    const report = await checkDataset(data);
    expect(report.missing.map((finding) => finding.id)).toEqual(["2007_000009"]);
    expect(report.corrupt.map((finding) => finding.file)).toEqual([broken]);
    expect(report.problems).toBe(2);
    expect((await checkDataset(data, { decode: false })).corrupt).toEqual([]);
  });

  it("finds masks of the wrong size, with illegal values, damaged or absent", async () => {
    scratch.write("masks/2007_000001.png", mask(40, 30, 0, 12, 255));
    scratch.write("masks/2007_000002.png", mask(30, 41, 0, 12));
    scratch.write("masks/2007_000003.png", mask(42, 30, 0, 33, 77));
    scratch.write("masks/2007_000004.png", "no mask");
    const data = await voc({ list: null });
    const { masks, problems } = await checkDataset(data, { masks: scratch.path("masks") });
    expect(problems).toBe(3);
    expect(masks).toMatchObject({ found: 4, absent: [] });
    expect(masks!.wrongSize).toEqual([
      {
        id: "2007_000002",
        file: scratch.path("masks/2007_000002.png"),
        problem: "the mask is 30 × 41, its image 41 × 30 pixels",
      },
    ]);
    expect(masks!.illegalValues[0]!.problem).toBe("values that name no class: 33, 77 (first at x 1, y 0)");
    expect(masks!.unreadable[0]!.problem).toContain("it is not a PNG file");
    const lenient = await checkDataset(data, { masks: scratch.path("masks"), maskIds: [0, 12, 33, 77] });
    expect(lenient.masks!.illegalValues).toEqual([]);
    expect((await checkDataset(data, { masks: scratch.path("void") })).masks!.absent.length).toBe(4);
  });
});

const real = join(process.env.CSRM_DATA ?? "", "voc12-mini");
describe.skipIf(!process.env.CSRM_DATA || !existsSync(real))("voc12-mini (CSRM_DATA)", () => {
  const animals = ["cat", "cow", "dog", "horse", "sheep", "person"];

  it("opens with all images labelled", async () => {
    const data = await openDataset({ layout: "voc", root: real, list: "train_aug" });
    expect(data.samples.length).toBe(3357);
    expect(data.notes).toEqual([]);
    expect(data.samples.every(({ tags }) => tags?.includes(1))).toBe(true);
  });

  it("has animal lists whose tags all lie within the subset", async () => {
    const data = await openDataset({ layout: "voc", root: real, list: "animals_train_aug", subset: animals });
    expect(data.classes.ids).toEqual([0, 8, 10, 12, 13, 15, 17]);
    expect([data.samples.length, data.notes]).toEqual([2651, []]);
  });

  it("has sound masks for the animals of val", async () => {
    const data = await openDataset({ layout: "voc", root: real, list: "animals_val", subset: animals });
    const report = await checkDataset(data, { decode: false, masks: join(real, "SegmentationClass") });
    expect([report.images, report.masks!.found, report.problems]).toEqual([201, 201, 0]);
  });
});
