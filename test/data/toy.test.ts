import { createHash } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDataset } from "../../src/data/dataset.ts";
import { decodeImage } from "../../src/data/image.ts";
import { CREATURES, generateToy, PART, renderScene, type Scene } from "../../src/data/toy/index.ts";
import { decodeLabelPng } from "../../src/formats/indexed-png.ts";
import { vocPalette } from "../../src/formats/palette.ts";

const SIZE = 64;
const COUNT = 210;
const CLASSES = CREATURES.map((_, position) => position + 1);

function scene(index: number, options: { seed?: number; split?: string; size?: number } = {}): Scene {
  return renderScene({ seed: 0, split: "train", index, size: SIZE, ...options });
}

function fingerprint({ rgb, labels }: Scene): string {
  return createHash("sha256").update(rgb).update(labels).digest("hex").slice(0, 16);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Pixels of a scene by class (or null: any class but the background) and part (or null: any). */
function area({ labels, parts }: Scene, label: number | null, part: number | null = null): number {
  let pixels = 0;
  for (const [at, found] of labels.entries()) {
    if (label === null ? found === 0 : found !== label) continue;
    if (part === null || parts[at] === part) pixels++;
  }
  return pixels;
}

describe("toy scenes", () => {
  let scenes: Scene[];
  beforeAll(() => {
    scenes = Array.from({ length: COUNT }, (_, index) => scene(index));
  });

  it("are the same pixels on every machine as when the set's version was stamped", () => {
    // When this changes on purpose, VERSION in src/data/toy/write.ts must be raised, or old sets pass for new ones.
    expect(scenes.slice(0, 4).map(fingerprint)).toEqual(FINGERPRINTS);
  });

  it("do not depend on the scenes drawn before them", () => {
    expect(fingerprint(scene(5))).toBe(fingerprint(scenes[5]!));
  });

  it("differ by seed, split, index and size", () => {
    const others = [scene(5), scene(5, { seed: 1 }), scene(5, { split: "val" }), scene(6), scene(5, { size: 65 })];
    expect(new Set(others.map(fingerprint)).size).toBe(others.length);
  });

  it("carry exactly the tags of the classes in their masks", () => {
    for (const { tags, labels } of scenes) expect(tags).toEqual([...new Set(labels)].filter((id) => id > 0).sort());
  });

  it("show one to three objects, each number in at least a tenth of the scenes", () => {
    for (const number of [1, 2, 3]) {
      expect(scenes.filter(({ objects }) => objects === number).length).toBeGreaterThan(COUNT / 10);
    }
    expect(scenes.every(({ objects }) => objects >= 1 && objects <= 3)).toBe(true);
  });

  it("hold every class about equally often", () => {
    const counts = CLASSES.map((label) => scenes.filter(({ tags }) => tags.includes(label)).length);
    expect(Math.max(...counts)).toBeLessThan(2 * Math.min(...counts));
  });

  it("are background for the greater part", () => {
    const shares = scenes.map((each) => 1 - area(each, null) / SIZE ** 2);
    expect(mean(shares)).toBeGreaterThan(0.45);
    expect(mean(shares)).toBeLessThan(0.75);
    expect(Math.min(...shares)).toBeGreaterThan(0.3);
  });

  it("show objects of 8 to 30 % of the picture, in the median", () => {
    const sizes = scenes.flatMap(({ owners, objects }) =>
      Array.from({ length: objects }, (_, n) => owners.filter((owner) => owner === n + 1).length / SIZE ** 2),
    );
    const median = sizes.sort((a, b) => a - b)[sizes.length >> 1]!;
    expect(median).toBeGreaterThan(0.08);
    expect(median).toBeLessThan(0.3);
    expect(sizes[0]).toBeGreaterThan(0.01);
  });

  it("tell each class apart by marks on 5 to 25 % of its area only", () => {
    for (const label of CLASSES) {
      const total = scenes.reduce((sum, each) => sum + area(each, label), 0);
      const marks = scenes.reduce((sum, each) => sum + area(each, label, PART.mark), 0);
      expect(marks / total).toBeGreaterThan(0.05);
      expect(marks / total).toBeLessThan(0.25);
    }
  });

  it("never show a class without any of its marks", () => {
    for (const each of scenes) for (const label of each.tags) expect(area(each, label, PART.mark)).toBeGreaterThan(0);
  });

  it("let companions meet more often than chance", () => {
    const rate = (label: number, among: readonly Scene[]) =>
      among.filter(({ tags }) => tags.includes(label)).length / among.length;
    for (const [position, { companion }] of CREATURES.entries()) {
      if (companion === null) continue;
      const friend = CREATURES.findIndex(({ name }) => name === companion) + 1;
      const meetings = rate(
        friend,
        scenes.filter(({ tags }) => tags.includes(position + 1)),
      );
      expect(meetings).toBeGreaterThan(
        1.3 *
          rate(
            friend,
            scenes.filter(({ tags }) => !tags.includes(position + 1)),
          ),
      );
    }
  });

  it("show each class at home more often than elsewhere, but not only there", () => {
    for (const [position, { home }] of CREATURES.entries()) {
      const biomes = scenes.filter(({ tags }) => tags.includes(position + 1)).map(({ biome }) => biome);
      const atHome = biomes.filter((biome) => biome === home).length / biomes.length;
      expect(atHome).toBeGreaterThan(0.25);
      expect(atHome).toBeLessThan(0.9);
    }
  });

  it("paint the bodies of companion classes alike and their marks differently", () => {
    const pairs = [
      ["cow", "dog"],
      ["cat", "fish"],
      ["bird", "lizard"],
    ] as const;
    for (const pair of pairs) {
      const [a, b] = pair.map((name) => CREATURES.findIndex((creature) => creature.name === name) + 1);
      const bodies = distance(meanColour(scenes, a!, PART.body), meanColour(scenes, b!, PART.body));
      const marks = distance(meanColour(scenes, a!, PART.mark), meanColour(scenes, b!, PART.mark));
      expect(bodies).toBeLessThan(25);
      expect(marks).toBeGreaterThan(2 * bodies);
    }
  });
});

function meanColour(scenes: readonly Scene[], label: number, part: number): number[] {
  const sums = [0, 0, 0];
  let pixels = 0;
  for (const { rgb, labels, parts } of scenes) {
    for (let at = 0; at < labels.length; at++) {
      if (labels[at] !== label || parts[at] !== part) continue;
      pixels++;
      for (let channel = 0; channel < 3; channel++) sums[channel]! += rgb[at * 3 + channel]!;
    }
  }
  return sums.map((sum) => sum / pixels);
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(...a.map((value, channel) => value - b[channel]!));
}

describe("the toy set on disk", () => {
  const base = fs.mkdtempSync(path.join(tmpdir(), "csrm-toy-"));
  const out = path.join(base, "set");
  const options = { out, seed: 3, images: { train: 10, val: 5 }, size: 48 };
  const progress: [number, number][] = [];
  beforeAll(async () => {
    const onProgress = (done: number, total: number) => progress.push([done, total]);
    expect(await generateToy({ ...options, onProgress })).toEqual({ made: true });
  });
  afterAll(() => fs.rmSync(base, { recursive: true }));

  it("opens as a data set whose tags are those of its masks", async () => {
    for (const [list, count] of Object.entries(options.images)) {
      const { samples, classes, notes } = await openDataset({ layout: "toy", root: out, list });
      expect(samples.length).toBe(count);
      expect(notes).toEqual([]);
      expect(classes.names.slice(1)).toEqual(CREATURES.map(({ name }) => name));
      for (const [index, { id, tags }] of samples.entries()) {
        const file = path.join(out, "SegmentationClass", `${id}.png`);
        const { data } = decodeLabelPng(fs.readFileSync(file), file, vocPalette());
        expect(data).toEqual(renderScene({ seed: 3, split: list, index, size: 48 }).labels);
        expect(CLASSES.filter((label) => tags![label - 1] === 1)).toEqual(
          CLASSES.filter((label) => data.includes(label)),
        );
      }
    }
  });

  it("names its classes in classes.txt", async () => {
    const file = path.join(out, "classes.txt");
    expect(fs.readFileSync(file, "utf8")).toMatch(/^0 background\n1 cow\n2 dog\n/);
    const named = await openDataset({ layout: "voc", root: out, list: "val", classes: file });
    expect(named.classes.ids).toEqual([0, ...CLASSES]);
  });

  it("keeps pictures close to the scenes they were drawn as", async () => {
    const { data, width, height } = await decodeImage(path.join(out, "JPEGImages", "val_00000.jpg"));
    const { rgb } = renderScene({ seed: 3, split: "val", index: 0, size: 48 });
    expect([width, height]).toEqual([48, 48]);
    expect(mean(Array.from(rgb, (value, at) => Math.abs(value - data[at]!)))).toBeLessThan(6);
  });

  it("tells its progress picture by picture", () => {
    expect(progress).toEqual(Array.from({ length: 15 }, (_, index) => [index + 1, 15]));
  });

  it("is made once: the same options return at once and leave the files alone", async () => {
    const file = path.join(out, "JPEGImages", "train_00000.jpg");
    const before = fs.statSync(file).mtimeMs;
    expect(await generateToy(options)).toEqual({ made: false });
    expect(fs.statSync(file).mtimeMs).toBe(before);
  });

  it("has the same bytes when made again elsewhere", async () => {
    const again = path.join(base, "again");
    fs.mkdirSync(again); // an empty folder is as good as none
    await generateToy({ ...options, out: again, images: { train: 2, val: 1 } });
    for (const file of ["JPEGImages/train_00001.jpg", "SegmentationClass/val_00000.png"]) {
      expect(fs.readFileSync(path.join(again, file)).equals(fs.readFileSync(path.join(out, file)))).toBe(true);
    }
  });

  it("refuses the folder of another toy set, showing both", async () => {
    await expect(generateToy({ ...options, seed: 4 })).rejects.toThrow(
      /other options.*"seed": 3.*instead of.*"seed": 4/,
    );
  });

  it("refuses a folder with foreign files, and touches none of them", async () => {
    const foreign = path.join(base, "photos");
    fs.mkdirSync(foreign);
    fs.writeFileSync(path.join(foreign, "holiday.jpg"), "x");
    await expect(generateToy({ ...options, out: foreign })).rejects.toThrow(
      /empty or absent folder.*photos.*holiday\.jpg/,
    );
    expect(fs.readdirSync(foreign)).toEqual(["holiday.jpg"]);
  });

  it("leaves nothing behind when it is interrupted by an error", async () => {
    const doomed = path.join(base, "doomed");
    const onProgress = (done: number) => {
      if (done === 3) throw new Error("stop here");
    };
    await expect(generateToy({ ...options, out: doomed, onProgress })).rejects.toThrow(
      /cannot write.*doomed.*stop here/,
    );
    expect(fs.readdirSync(base).filter((name) => name.startsWith("doomed"))).toEqual([]);
  });

  it.each([
    [{ size: 16 }, /integer in 32\.\.1024 for the toy set's size, got 16/],
    [{ seed: -1 }, /toy set's seed, got -1/],
    [{ images: { train: 0, val: 5 } }, /toy set's images\.train, got 0/],
  ])("refuses %o", async (wrong, message) => {
    await expect(generateToy({ ...options, out: path.join(base, "wrong"), ...wrong })).rejects.toThrow(message);
  });

  it("names a path that cannot become a folder", async () => {
    const file = path.join(base, "file");
    fs.writeFileSync(file, "x");
    await expect(generateToy({ ...options, out: path.join(file, "set") })).rejects.toThrow(/file\/set/);
  });
});

const FINGERPRINTS = ["109185b25281a3d3", "bf60565de1d3b623", "8bb32fa23002e337", "7d11e20f818ffa9d"];
