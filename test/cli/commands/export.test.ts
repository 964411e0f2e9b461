/** csrm export: every form is read back and must equal the label maps to the last pixel. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { ExportResult } from "../../../src/cli/commands/export.ts";
import { tableOf } from "../../../src/data/classes.ts";
import { decodeImage } from "../../../src/data/image.ts";
import { Rng } from "../../../src/data/rng.ts";
import { openTags } from "../../../src/data/tag-source.ts";
import type { CocoMask } from "../../../src/export/coco.ts";
import { paintRuns, runsOfCounts } from "../../../src/formats/coco-runs.ts";
import { decodePng, encodeIndexedPng, type LabelMap } from "../../../src/formats/indexed-png.ts";
import { fillRing } from "../../export/raster.ts";
import { csrm } from "../../helpers/cli.ts";
import { picture, temporaryFolder, tinyModelFile, writePicture } from "../../inference/tiny.ts";

interface CocoFile {
  images: { id: number; file_name: string; width: number; height: number }[];
  annotations: (CocoMask & { id: number; image_id: number })[];
  categories: { id: number; name: string }[];
}

/** Blots of cat (8), dog (12) and unknown on background, with holes, single pixels and diagonal neighbours. */
function blots(width: number, height: number, seed: number): LabelMap {
  const rng = new Rng(seed);
  const data = new Uint8Array(width * height);
  for (let n = 0; n < 40; n++) {
    const [x, y, size] = [rng.int(width), rng.int(height), 1 + rng.int(9)];
    const label = [0, 8, 12, 255][rng.int(4)]!;
    for (let i = 0; i < data.length; i++) {
      const [dx, dy] = [(i % width) - x, Math.floor(i / width) - y];
      if (dx * dx + dy * dy < size * size) data[i] = label;
    }
  }
  for (let n = 0; n < 60; n++) data[rng.int(data.length)] = [0, 8, 12, 255][rng.int(4)]!;
  return { data, width, height };
}

async function scene() {
  const root = temporaryFolder();
  const images = join(root, "photos");
  const labels = join(root, "labels");
  const maps: Record<string, LabelMap> = { a: blots(50, 37, 1), "trip/b": blots(40, 48, 2) };
  mkdirSync(join(labels, "trip"), { recursive: true });
  for (const [id, map] of Object.entries(maps)) {
    await writePicture(join(images, `${id}.png`), picture(map.width, map.height));
    writeFileSync(join(labels, `${id}.png`), encodeIndexedPng(map));
  }
  const out = join(root, "out");
  const run = (...args: string[]) =>
    csrm("export", "--labels", labels, "--out", args.includes("coco") ? `${out}.json` : out, ...args);
  return { root, images, labels, maps, out, run };
}

/** A label map put together from masks; a pixel that two of them hold is a mistake. */
function compose(map: LabelMap, masks: Iterable<{ label: number; mask: Uint8Array }>): Uint8Array {
  const data = new Uint8Array(map.data.length);
  for (const { label, mask } of masks) {
    for (const [i, inside] of mask.entries()) {
      if (inside === 0) continue;
      expect([inside, data[i]]).toEqual([1, 0]);
      data[i] = label;
    }
  }
  return data;
}

/** Unknown pixels are in no mask. */
function known({ data }: LabelMap): Uint8Array {
  return data.map((label) => (label === 255 ? 0 : label));
}

function maskOf({ segmentation }: CocoMask, { width, height }: LabelMap): Uint8Array {
  const mask = new Uint8Array(width * height);
  if (!Array.isArray(segmentation)) {
    expect(segmentation.size).toEqual([height, width]);
    paintRuns(mask, runsOfCounts(segmentation.counts, { height, width }, "x"), { height, width, label: 1 });
    return mask;
  }
  for (const ring of segmentation) fillRing(ring, mask, width);
  return mask;
}

describe("csrm export --to coco", () => {
  it.each([
    ["rle", false],
    ["rle", true],
    ["polygons", false],
    ["polygons", true],
  ] as const)("holds exactly the masks as %s (merged: %s)", async (shapes, merge) => {
    const { images, maps, out, run } = await scene();
    const more = merge ? ["--merge"] : [];
    const done = await run("--to", "coco", "--images", images, "--classes", "voc", "--shapes", shapes, ...more);
    expect(done).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/out\.json: \d+ masks of 2 images in \d+ s\n$/),
    });
    const coco = JSON.parse(readFileSync(`${out}.json`, "utf8")) as CocoFile;
    expect(coco.images).toEqual([
      { id: 1, file_name: "a.png", width: 50, height: 37 },
      { id: 2, file_name: "trip/b.png", width: 40, height: 48 },
    ]);
    expect(coco.categories[7]).toEqual({ id: 8, name: "cat", supercategory: "" });
    expect(coco.annotations.map(({ id }) => id)).toEqual(coco.annotations.map((_, i) => i + 1));
    for (const [i, map] of Object.values(maps).entries()) {
      const own = coco.annotations.filter(({ image_id }) => image_id === i + 1);
      if (merge) expect(own.map(({ category_id }) => category_id)).toEqual([8, 12]);
      else expect(own.length).toBeGreaterThan(10);
      const masks = own.map((each) => ({ label: each.category_id, mask: maskOf(each, map) }));
      expect(compose(map, masks)).toEqual(known(map));
      for (const [k, { area, bbox, iscrowd }] of own.entries()) {
        const inside = [...masks[k]!.mask.entries()].filter(([, value]) => value === 1).map(([place]) => place);
        const [xs, ys] = [inside.map((p) => p % map.width), inside.map((p) => Math.floor(p / map.width))];
        const [left, top] = [Math.min(...xs), Math.min(...ys)];
        const box = [left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1];
        expect({ area, bbox, iscrowd }).toEqual({ area: inside.length, bbox: box, iscrowd: 0 });
      }
    }
  });

  it("takes the classes of the network that made the label maps, and a list of images", async () => {
    const { root, images, out, run } = await scene();
    writeFileSync(join(root, "ids.txt"), "trip/b\n");
    const args = [
      "--to",
      "coco",
      "--images",
      images,
      "--classes",
      tinyModelFile("csrm"),
      "--ids",
      join(root, "ids.txt"),
    ];
    const { stdout } = await run(...args, "--json");
    const coco = JSON.parse(readFileSync(`${out}.json`, "utf8")) as CocoFile;
    expect(JSON.parse(stdout) as ExportResult).toMatchObject({
      to: "coco",
      out: `${out}.json`,
      images: 1,
      resumed: 0,
      annotations: coco.annotations.length,
    });
    expect(coco.images.map(({ file_name }) => file_name)).toEqual(["trip/b.png"]);
    expect(coco.categories.map(({ name }) => name)).toContain("dog");
  });
});

describe("csrm export --to labelme", () => {
  it("writes what labelme reads, with polygons that hold exactly the masks", async () => {
    const { images, maps, out, run } = await scene();
    expect(await run("--to", "labelme", "--images", images, "--classes", "voc")).toMatchObject({ code: 0 });
    for (const [id, map] of Object.entries(maps)) {
      const file = join(out, `${id}.json`);
      const content = JSON.parse(readFileSync(file, "utf8")) as {
        imagePath: string;
        shapes: { label: string; points: [number, number][] }[];
      };
      const { shapes, imagePath, ...rest } = content;
      expect(rest).toEqual({
        version: "5.5.0",
        flags: {},
        imageData: null,
        imageHeight: map.height,
        imageWidth: map.width,
      });
      expect(resolve(file, "..", imagePath)).toBe(join(images, `${id}.png`));
      const masks = shapes.map(({ label, points, ...shape }) => {
        expect(shape).toEqual({ group_id: null, description: "", shape_type: "polygon", flags: {}, mask: null });
        const mask = new Uint8Array(map.data.length);
        fillRing(points.flat(), mask, map.width);
        return { label: label === "cat" ? 8 : 12, mask };
      });
      expect(compose(map, masks)).toEqual(known(map));
    }
  });

  it("gives tags that can be read again", async () => {
    const { images, out, run } = await scene();
    await run("--to", "labelme", "--images", images, "--classes", "voc");
    const files = new Map(["a", "trip/b"].map((id) => [id, join(images, `${id}.png`)]));
    const { tags } = await openTags(out, { ids: [...files.keys()], files }).read(tableOf(["cat", "cow", "dog"]));
    expect([...tags].map(([id, vector]) => [id, vector.join("")])).toEqual([
      ["a", "101"],
      ["trip/b", "101"],
    ]);
  });

  it("goes on where it stopped, and does what has changed anew", async () => {
    const { images, labels, out, run } = await scene();
    const args = ["--to", "labelme", "--images", images, "--classes", "voc", "--json"];
    const resumed = async () => (JSON.parse((await run(...args)).stdout) as ExportResult).resumed;
    expect(await resumed()).toBe(0);
    expect(await resumed()).toBe(2);
    rmSync(join(out, "a.json"));
    const later = new Date(statSync(join(out, "trip/b.json")).mtimeMs + 5000);
    expect(await resumed()).toBe(1);
    utimesSync(join(labels, "trip/b.png"), later, later);
    expect(await resumed()).toBe(1);
    const table = join(labels, "../table.txt");
    writeFileSync(table, "8 kitten\n12 puppy\n");
    const other = await run(...args, "--classes", table);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("was made with other settings") });
    expect(await run(...args, "--classes", table, "--fresh")).toMatchObject({ code: 0 });
    expect(readdirSync(join(out, "..")).sort()).toContain("out.old");
  });
});

describe("csrm export --to indexed", () => {
  const read = (file: string) => decodePng(readFileSync(file), file);

  it("keeps the ids, or writes those of another table by name", async () => {
    const { root, maps, out, run } = await scene();
    expect(await run("--to", "indexed")).toMatchObject({ code: 0 });
    expect(read(join(out, "trip/b.png"))).toMatchObject({ colour: "palette", data: maps["trip/b"]!.data });
    const table = join(root, "own.txt");
    writeFileSync(table, "3 dog\n7 cat\n");
    const renumbered = join(root, "renumbered");
    const args = ["--to", "indexed", "--classes", "voc", "--to-classes", table, "--out", renumbered];
    expect(await run(...args)).toMatchObject({ code: 0 });
    const ids: Record<number, number> = { 0: 0, 8: 7, 12: 3, 255: 255 };
    expect(read(join(renumbered, "a.png")).data).toEqual(maps.a!.data.map((id) => ids[id]!));
  });

  it("stops at a class that the other table lacks", async () => {
    const { root, labels, run } = await scene();
    writeFileSync(join(root, "own.txt"), "1 dogs\n2 cat\n");
    const { stderr, code } = await run("--to", "indexed", "--classes", "voc", "--to-classes", join(root, "own.txt"));
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(
        `${join(labels, "a.png")} shows "dog" (id 12), which the table to export to does not have; did you mean "dogs"?`,
      ),
    ]);
  });
});

describe("csrm export --to overlay", () => {
  it("lays colours over photographs, once", async () => {
    const { images, out, run } = await scene();
    const args = ["--to", "overlay", "--images", images, "--json"];
    expect(JSON.parse((await run(...args)).stdout)).toMatchObject({ images: 2, resumed: 0 });
    expect(JSON.parse((await run(...args)).stdout)).toMatchObject({ images: 2, resumed: 2 });
    expect(await decodeImage(join(out, "trip/b.jpg"))).toMatchObject({ width: 40, height: 48 });
  });
});

describe("csrm export refuses", () => {
  const coco = ["--to", "coco", "--classes", "voc"];

  it.each([
    [
      "ids outside of the table",
      ["--to", "coco", "--classes", "toy"],
      /a\.png, got 8 \(\d+ pixels, the first at x=\d+, y=\d+\)/,
    ],
    [
      "a form without class names",
      ["--to", "labelme"],
      /expected the names of the classes \(--classes\) for labelme, got nothing/,
    ],
    ["an option of another form", ["--to", "labelme", "--merge"], "--merge is for --to coco, not for labelme"],
    [
      "renumbering without names",
      ["--to", "indexed", "--to-classes", "voc"],
      /expected the names of the classes \(--classes\) for --to-classes/,
    ],
    ["classes that change nothing", ["--to", "overlay", "--classes", "voc"], "--classes is not for --to overlay"],
    ["an unknown form", ["--to", "yolo"], "Allowed choices are indexed, overlay, coco, labelme"],
    ["an absent class table", ["--to", "coco", "--classes", "vok"], 'no such file; did you mean "voc"?'],
    ["absent label maps", ["--to", "indexed", "--labels", "gone"], "cannot read"],
  ] as [string, string[], string | RegExp][])("%s", async (_, args, message) => {
    const { images, run } = await scene();
    const { code, stderr } = await run("--images", images, ...args);
    expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
  });

  it("photographs that are absent, damaged or of another size, naming both files", async () => {
    const { images, labels, out, run } = await scene();
    expect((await run(...coco)).stderr).toContain("expected the folder of the photographs (--images) for coco");
    await writePicture(join(images, "a.png"), picture(20, 10));
    for (const form of ["coco", "labelme"]) {
      const { stderr } = await run("--images", images, "--classes", "voc", "--to", form);
      expect(stderr).toContain(
        `expected a label map of the size of ${join(images, "a.png")}, 20 × 10, for ${join(labels, "a.png")}, got "50 × 37"`,
      );
    }
    expect((await run("--to", "overlay", "--images", images, "--fresh")).stderr).toContain(join(labels, "a.png"));
    writeFileSync(join(images, "a.png"), "no picture");
    expect((await run(...coco, "--images", images)).stderr).toContain(join(images, "a.png"));
    rmSync(join(images, "a.png"));
    expect((await run(...coco, "--images", images, "--out", `${out}.json`)).stderr).toContain(
      `no image for label map a in ${images}`,
    );
    expect(readdirSync(join(out, ".."))).not.toContain("out.json");
  });

  it("to write among the photographs or the label maps", async () => {
    const { images, labels, run } = await scene();
    const args = ["--to", "labelme", "--classes", "voc", "--images", images];
    expect((await run(...args, "--out", join(images, "x"))).stderr).toContain("outside of the photographs'");
    expect((await run(...args, "--out", labels)).stderr).toContain("outside of the labels'");
  });
});
