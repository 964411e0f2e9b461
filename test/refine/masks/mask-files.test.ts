import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodeRle, rleToString } from "../../../src/formats/rle.ts";
import { assertMasks, readMaskFile, readMasks } from "../../../src/refine/masks/mask-files.ts";

const size = { width: 4, height: 3 };
/** Column-major pixels of the second and third columns. */
const MIDDLE = [3, 9];

function folder(): string {
  const root = mkdtempSync(join(tmpdir(), "csrm-test-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** A grey PNG, as mask generators write them. */
async function png(file: string, value: (x: number, y: number) => number, { width, height } = size) {
  const data = Uint8Array.from({ length: width * height }, (_, i) => value(i % width, Math.floor(i / width)));
  await sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace("b-w")
    .png()
    .toFile(file);
}

const middle = (x: number) => (x === 1 || x === 2 ? 255 : 0);

describe("readMasks", () => {
  test("reads a folder of PNG files in the order of their numbers; only 255 is inside, other files do not count", async () => {
    const root = folder();
    mkdirSync(join(root, "a"));
    await png(join(root, "a", "10.png"), () => 255);
    await png(join(root, "a", "2.png"), (x) => (x === 0 ? 254 : middle(x)));
    writeFileSync(join(root, "a", "metadata.csv"), "id,area\n");
    expect(await readMasks(root, "a", size)).toEqual([MIDDLE, [0, 12]]);
  });

  test("reads COCO's run lengths, plain and compressed, as a list or under annotations", async () => {
    const root = folder();
    const map = { ...size, data: Uint8Array.from({ length: 12 }, (_, i) => (middle(i % 4) ? 1 : 0)) };
    const counts = encodeRle(map);
    const masks = [
      { segmentation: { size: [3, 4], counts } },
      { segmentation: { size: [3, 4], counts: rleToString(counts) } },
    ];
    writeFileSync(join(root, "a.json"), JSON.stringify(masks));
    writeFileSync(join(root, "b.json"), JSON.stringify({ image: {}, annotations: masks.slice(0, 1) }));
    expect(await readMasks(root, "a", size)).toEqual([MIDDLE, MIDDLE]);
    expect(await readMasks(root, "b", size)).toEqual([MIDDLE]);
  });

  test("a photograph without objects has no masks", async () => {
    const root = folder();
    mkdirSync(join(root, "a"));
    writeFileSync(join(root, "b.json"), "[]");
    expect(await readMasks(root, "a", size)).toEqual([]);
    expect(await readMasks(root, "b", size)).toEqual([]);
  });

  test("names the mask of another size", async () => {
    const root = folder();
    mkdirSync(join(root, "a"));
    await png(join(root, "a", "0.png"), () => 255, { width: 5, height: 3 });
    const file = join(root, "a", "0.png");
    await expect(readMasks(root, "a", size)).rejects.toThrow(
      `expected 4×3, the label map's size, for ${file}, got "5×3"`,
    );
    writeFileSync(join(root, "b.json"), JSON.stringify([{ segmentation: { size: [4, 3], counts: [12] } }]));
    await expect(readMasks(root, "b", size)).rejects.toThrow(`for ${join(root, "b.json")}, mask 0, got "3×4"`);
  });

  test("refuses masks that would say nothing: another value inside, another kind of picture", async () => {
    const root = folder();
    mkdirSync(join(root, "a"));
    const file = join(root, "a", "0.png");
    await png(file, (x) => (x === 1 ? 1 : 0));
    await expect(readMasks(root, "a", size)).rejects.toThrow(`expected 255 inside of the mask for ${file}, got 1`);
    await png(file, () => 0);
    expect(await readMasks(root, "a", size)).toEqual([[]]);
    renameSync(file, join(root, "a", "0.jpg"));
    await expect(readMasks(root, "a", size)).rejects.toThrow(
      `expected masks as PNG files for ${join(root, "a")}, got "0.jpg"`,
    );
  });

  test.each([
    ["{", "cannot read"],
    ["{}", "expected a list of masks"],
    ["null", "expected a list of masks"],
    ["[null]", "expected segmentation.size"],
    ['[{"segmentation": [[1, 2, 3, 4, 5, 6]]}]', "masks are COCO's run lengths, not outlines"],
    ['[{"segmentation": {"counts": [12]}}]', "expected segmentation.size, [height, width] in pixels,"],
    ['[{"segmentation": {"size": [3, 4, 5], "counts": [12]}}]', "expected segmentation.size"],
    ['[{"segmentation": {"size": [3, 4], "counts": [1, "2", 9]}}]', "expected segmentation.counts"],
    ['[{"segmentation": {"size": [3, 4], "counts": [5]}}]', "expected runs that fill 4 × 3 pixels"],
    ['[{"segmentation": {"size": [3, 4], "counts": [-1, 13]}}]', "expected run lengths of at least 0"],
    ['[{"segmentation": {"size": [3, 4], "counts": "~~"}}]', "cannot read"],
  ])("names the file where it holds %s", async (text, message) => {
    const file = join(folder(), "a.json");
    writeFileSync(file, text);
    const refused = expect(readMasks(join(file, ".."), "a", size)).rejects;
    await refused.toThrow(message);
    await expect(readMasks(join(file, ".."), "a", size)).rejects.toThrow(file);
  });
});

test("readMaskFile tells the masks' size and areas, and refuses a file with masks of several sizes", () => {
  const file = join(folder(), "masks.json");
  const write = (sizes: number[]) =>
    writeFileSync(file, JSON.stringify(sizes.map((h) => ({ segmentation: { size: [h, 3], counts: [1, h * 3 - 1] } }))));
  write([2]);
  expect(readMaskFile(file)).toEqual([{ size: { height: 2, width: 3 }, runs: [1, 6], area: 5 }]);
  write([1, 2]);
  expect(() => readMaskFile(file)).toThrow(`${file}: mask 1 is 3 × 2 pixels, mask 0 is 3 × 1`);
});

test("a mask of zeros and ones is an error, not an empty mask", async () => {
  const root = folder();
  mkdirSync(join(root, "a"));
  await png(join(root, "a", "0.png"), (x) => (x === 1 ? 1 : 0));
  await expect(readMasks(root, "a", size)).rejects.toThrow(
    `expected 255 inside of the mask for ${join(root, "a", "0.png")}, got 1`,
  );
  await png(join(root, "a", "0.png"), () => 0);
  expect(await readMasks(root, "a", size)).toEqual([[]]);
});

test("masks that csrm propose left half done are missing", () => {
  const root = folder();
  for (const id of ["a", "b"]) mkdirSync(join(root, id));
  writeFileSync(join(root, "a", "metadata.csv"), "id\n");
  assertMasks(root, ["a", "b"]);
  writeFileSync(join(root, "settings.json"), JSON.stringify({ format: "png" }));
  assertMasks(root, ["a"]);
  expect(() => assertMasks(root, ["a", "b"])).toThrow(/no masks for b in .* nor a finished folder b/);
});

test("assertMasks names the first photograph without masks and counts the others", () => {
  const root = folder();
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "b.json"), "[]");
  assertMasks(root, ["a", "b"]);
  expect(() => assertMasks(root, ["a", "c", "d"])).toThrow(
    `no masks for c in ${root}: neither c.json nor a folder c; 2 of 3 label maps have none`,
  );
});
