/** csrm data on small data sets of our own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatasetReport } from "../../src/data/check.ts";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { csrm } from "../helpers/cli.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-data-"));
const photos = join(root, "photos");
const masks = join(root, "masks");
const recipe = join(root, "recipe.yaml");
afterAll(() => rmSync(root, { recursive: true }));

async function picture(name: string, width: number, height: number): Promise<void> {
  const data = Buffer.alloc(width * height * 3, 90);
  await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toFile(join(photos, name));
}

function mask(name: string, width: number, height: number, value: number): void {
  writeFileSync(
    join(masks, name),
    encodeIndexedPng({ data: new Uint8Array(width * height).fill(value), width, height }),
  );
}

beforeAll(async () => {
  mkdirSync(photos);
  mkdirSync(masks);
  await picture("a.jpg", 40, 32);
  await picture("b.jpg", 50, 36);
  await picture("c.jpg", 60, 40);
  writeFileSync(join(photos, "tags.csv"), "image,tags\na.jpg,dog cat\nb.jpg,\n");
  mask("a.png", 40, 32, 2);
  writeFileSync(join(root, "scored.txt"), "a\n");
  writeFileSync(
    recipe,
    `data: {layout: folder, root: photos, lists: {train: null, score: [scored.txt]}, masks: ${JSON.stringify(masks)}}\n`,
  );
});

function reportsOf(stdout: string): DatasetReport[] {
  return (JSON.parse(stdout) as { reports: DatasetReport[] }).reports;
}

describe("csrm data check", () => {
  it("counts images, tags and masks of a sound folder", async () => {
    const { code, stdout } = await csrm("data", "check", "--root", photos);
    expect(code).toBe(0);
    expect(stdout).toContain("photos: 3 images, 40 to 60 wide, 32 to 40 high");
    expect(stdout).toContain("2 labelled (1 of them with no class), 1 unlabelled");
    expect(stdout).toContain("cat 1, dog 1");
    expect(stdout).toContain("no problems");
  });

  it("checks the training list without masks and the others with them when given a recipe", async () => {
    const { code, stdout } = await csrm("data", "check", "--recipe", recipe, "--json");
    expect(code).toBe(0);
    const [train, scored] = reportsOf(stdout);
    expect(train).toMatchObject({ images: 3, problems: 0 });
    expect(train).not.toHaveProperty("masks");
    expect(scored).toMatchObject({ images: 1, masks: { found: 1 }, problems: 0 });
  });

  it("fails when a list that results are measured on lacks a mask", async () => {
    writeFileSync(join(root, "scored.txt"), "a\nb\n");
    const { code, stdout } = await csrm("data", "check", "--recipe", recipe);
    writeFileSync(join(root, "scored.txt"), "a\n");
    expect(code).toBe(1);
    expect(stdout).toMatch(/masks: 1 found, 1 images without\n.*1 problems/s);
  });

  it("names every file that is wrong and fails", async () => {
    writeFileSync(join(photos, "d.jpg"), "no picture at all");
    mask("b.png", 50, 30, 1);
    mask("c.png", 60, 40, 77);
    const { code, stdout } = await csrm("data", "check", "--root", photos, "--masks", masks, "--json");
    rmSync(join(photos, "d.jpg"));
    expect(code).toBe(1);
    const [report] = reportsOf(stdout);
    expect(report).toMatchObject({
      problems: 3,
      corrupt: [{ file: join(photos, "d.jpg") }],
      masks: {
        wrongSize: [{ id: "b", problem: expect.stringContaining("50 × 30") as string }],
        illegalValues: [{ id: "c", problem: expect.stringContaining("77") as string }],
      },
    });
    const text = await csrm("data", "check", "--root", photos, "--masks", masks);
    expect(text.code).toBe(1);
    expect(text.stdout).toContain(
      `masks with illegal values: 1\n    ${join(masks, "c.png")}: values that name no class: 77`,
    );
    expect(text.stdout).toContain("2 problems");
  });

  it.each([
    [[], "data check needs --recipe or --root"],
    [["--root", photos, "--recipe", recipe], "not both"],
    [["--root", join(root, "empty")], join(root, "empty")],
    [["--recipe", recipe, "--set", "data.masks=gone"], "expected a folder of masks for data.masks"],
    [["--root", photos, "--masks", "gone"], 'expected a folder of masks for --masks, got "gone"'],
    [["--recipe", recipe, "--set", "data.root=null"], "say --set data.root=DIR"],
    [["--root", photos, "--layout", "vco"], "Allowed choices are voc, coco, folder, toy"],
  ])("says what is wrong with %j", async (args, message) => {
    const { code, stderr, stdout } = await csrm("data", "check", ...args);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stdout).toBe("");
  });
});

describe("csrm data toy", () => {
  it("makes the toy set once, and data check finds nothing wrong with it", async () => {
    const out = join(root, "toy");
    const args = ["data", "toy", "--out", out, "--train", "3", "--val", "2", "--size", "48"];
    const first = await csrm(...args, "--json");
    expect(first.code).toBe(0);
    expect(JSON.parse(first.stdout)).toEqual({ out, made: true, train: 3, val: 2, size: 48, seed: 0 });
    expect((await csrm(...args)).stdout).toBe(`${out} holds these scenes already\n`);
    const masks = join(out, "SegmentationClass");
    const check = await csrm("data", "check", "--root", out, "--layout", "toy", "--masks", masks, "--json");
    expect(check.code).toBe(0);
    expect(reportsOf(check.stdout)[0]).toMatchObject({ images: 5, unlabelled: 0, problems: 0, masks: { found: 5 } });
  });

  it("refuses a folder of something else and numbers that make no sense", async () => {
    const other = await csrm("data", "toy", "--out", photos);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(photos);
    const number = await csrm("data", "toy", "--out", join(root, "x"), "--train", "many");
    expect(number.code).toBe(1);
    expect(number.stderr).toContain("expected a whole number ≥ 1");
  });
});
