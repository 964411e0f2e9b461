/** csrm refine regions and csrm refine sam over folders: results, going on, composing with the dense CRF, bad input. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { decodePng, encodeIndexedPng, type LabelMap } from "../../../src/formats/indexed-png.ts";
import { encodeRle } from "../../../src/formats/rle.ts";
import { createSam } from "../../../src/models/sam/sam.ts";
import { noGrad, saveTensors } from "../../../src/torch/index.ts";
import { csrm } from "../../helpers/cli.ts";
import { fillModule } from "../../helpers/fill.ts";

const [width, height] = [48, 36];

const within = (radius: number) => (i: number) => Math.hypot((i % width) - 23.5, Math.floor(i / width) - 17.5) < radius;

function mapOf(label: (i: number) => number): LabelMap {
  return { data: Uint8Array.from({ length: width * height }, (_, i) => label(i)), width, height };
}

/** Class 12 where the object is; the rough map sees too little of it. */
const exact = mapOf((i) => (within(12)(i) ? 12 : 0));
const rough = mapOf((i) => (within(9)(i) ? 12 : 0));

let root: string;
const at = (...names: string[]) => join(root, ...names);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "csrm-refine-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const id of ["a", "sub/b"]) {
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
      within(12)(Math.floor(i / 3)) ? 40 : 200,
    );
    mkdirSync(dirname(at("images", id)), { recursive: true });
    await sharp(pixels, { raw: { width, height, channels: 3 } })
      .png()
      .toFile(at("images", `${id}.png`));
    put(id, rough);
  }
});

function put(id: string, map: LabelMap, folder = "labels"): void {
  const file = at(folder, `${id}.png`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, encodeIndexedPng(map));
}

const result = (folder: string, id: string) => decodePng(readFileSync(at(folder, `${id}.png`)), id);
const regions = (...options: string[]) =>
  csrm("refine", "regions", "--images", at("images"), "--labels", at("labels"), "--out", at("out"), ...options);
const sam = (...options: string[]) => csrm("refine", "sam", "--labels", at("labels"), "--out", at("out"), ...options);

describe("csrm refine regions", () => {
  it("gives a region to the class that fills most of it, and goes on where it stopped", async () => {
    const exactly = ["--median", "1", "--sigma", "0", "--min-side", "1", "--json"]; // the outline as it is, corners too
    const first = await regions(...exactly);
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({
      images: 2,
      resumed: 0,
      rule: "best_fit",
      scales: [60, 90, 130, 200],
      median: 1,
      sigma: 0,
    });
    const settings = JSON.parse(readFileSync(at("out", "settings.json"), "utf8"));
    expect(settings).toMatchObject({ rule: "best_fit", precision: 0.6, median: 1 });
    const { colour, data } = result("out", "sub/b");
    expect(colour).toBe("palette");
    expect(Buffer.compare(data, exact.data)).toBe(0);

    const written = statSync(at("out", "a.png")).mtimeMs;
    rmSync(at("out", "sub", "b.png"));
    expect(JSON.parse((await regions(...exactly)).stdout)).toMatchObject({ images: 2, resumed: 1 });
    expect(statSync(at("out", "a.png")).mtimeMs).toBe(written);
  });

  it("refuses other settings in the same folder", async () => {
    await regions();
    const other = await regions("--scales", "300");
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("scales: [60,90,130,200] → [300]");
    expect((await regions("--rule", "max_iou_imp2")).stderr).toContain('rule: "best_fit" → "max_iou_imp2"');
  });

  it("shares the list among shards with the same results", async () => {
    await regions("--shard", "1/2");
    expect(existsSync(at("out", "sub", "b.png"))).toBe(false);
    const { stdout } = await regions("--shard", "2/2");
    expect(stdout).toContain("all 2 shards are done: 2 label maps");
    expect(Buffer.compare(result("out", "a").data, result("out", "sub/b").data)).toBe(0);
  });

  it("takes the dense CRF's results, and the dense CRF takes its", async () => {
    await regions("--sigma", "0");
    const crf = ["--images", at("images"), "--labels", at("out"), "--out", at("crf"), "--bilateral-sxy", "10"];
    const refined = await csrm("refine", "crf", ...crf);
    expect(refined.code, refined.stderr).toBe(0);
    const back = await csrm("refine", "regions", "--images", at("images"), "--labels", at("crf"), "--out", at("again"));
    expect(back.code, back.stderr).toBe(0);
    expect(result("again", "a").data.length).toBe(width * height);
  });

  it.each([
    [["--scales", "0"], "Expected a number above 0"],
    [["--sigma", "-1"], "Expected a number of at least 0"],
    [["--median", "4"], "expected an odd number from 1 to 99 for the regions' median, got 4"],
    [["--rule", "union"], "Allowed choices are best_fit"],
    [["--min-size", "0"], "expected a whole number ≥ 1"],
  ])("refuses %j", async (options, message) => {
    const { code, stderr } = await regions(...options);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it("names a label map of another size, a missing photograph, and an output among the inputs", async () => {
    put("a", { data: new Uint8Array(6), width: 3, height: 2 });
    expect((await regions()).stderr).toContain(
      `expected 48×36, the size of ${at("images", "a.png")}, for ${at("labels", "a.png")}, got "3×2"`,
    );
    put("c", rough);
    expect((await regions()).stderr).toContain(`no image for label map c in ${at("images")}`);
    const inside = ["--images", at("images"), "--labels", at("labels"), "--out", at("labels", "out")];
    expect((await csrm("refine", "regions", ...inside)).stderr).toContain("expected a folder outside of the labels'");
  });

  it("leaves out and names a photograph of a single pixel, or stops there with --strict", async () => {
    const pixel = await sharp(new Uint8Array(3), { raw: { width: 1, height: 1, channels: 3 } })
      .png()
      .toBuffer();
    writeFileSync(at("images", "c.png"), pixel);
    put("c", { data: new Uint8Array(1), width: 1, height: 1 });
    const reason = `cannot decode the image ${at("images", "c.png")}: it is a single pixel`;
    const strict = await regions("--strict");
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining(reason)]);
    const { code, stdout } = await regions("--json");
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { images: 2, skipped: [{ id: "c", reason }] }]);
    expect([existsSync(at("out", "sub/b.png")), existsSync(at("out", "c.png"))]).toEqual([true, false]);
    const both = ["--images", at("images"), "--labels", at("labels"), "--out", at("crf")];
    const crf = await csrm("refine", "crf", ...both);
    expect([crf.code, crf.stdout]).toEqual([0, expect.stringContaining(`skipped 1 of 3 label maps:\n  ${reason}`)]);
    writeFileSync(at("only.txt"), "c\n");
    expect((await regions("--ids", at("only.txt"))).stderr).toContain(`none of the 1 images could be read`);
  });

  it("segments a large photograph at --max-side", async () => {
    const run = await regions("--sigma", "0", "--max-side", "24", "--min-size", "5", "--json");
    expect(run.code, run.stderr).toBe(0);
    const { data } = result("out", "a");
    // At half the size labels change between blocks of 2 × 2 pixels only.
    const blocks = (of: Uint8Array) =>
      of.reduce((count, id, i) => {
        const corner = Math.floor(Math.floor(i / width) / 2) * 2 * width + Math.floor((i % width) / 2) * 2;
        return count + (id === of[corner] ? 0 : 1);
      }, 0);
    expect(blocks(exact.data)).toBeGreaterThan(0);
    expect(blocks(data)).toBe(0);
    expect(data).toContain(12);
  });
});

describe("csrm refine sam", () => {
  function putMasks(id: string): void {
    const counts = encodeRle({ ...exact, data: exact.data.map((label) => (label ? 1 : 0)) });
    const file = at("masks", `${id}.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify([{ segmentation: { size: [height, width], counts } }]));
  }

  it("merges labels with masks that are there, without photographs", async () => {
    for (const id of ["a", "sub/b"]) putMasks(id);
    const run = await sam("--masks", at("masks"), "--json");
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ images: 2, resumed: 0, rule: "best_fit" });
    expect(Buffer.compare(result("out", "sub/b").data, exact.data)).toBe(0);
  });

  it("does a label map anew whose mask has changed, came or went", async () => {
    for (const id of ["a", "sub/b"]) putMasks(id);
    const resumed = async () => JSON.parse((await sam("--masks", at("masks"), "--json")).stdout).resumed;
    expect([await resumed(), await resumed()]).toEqual([0, 2]);
    const later = new Date(Date.now() + 5000);
    utimesSync(at("masks", "a.json"), later, later);
    expect(await resumed()).toBe(1);
    const earlier = new Date(0);
    rmSync(at("masks", "a.json"));
    mkdirSync(at("masks", "a"));
    writeFileSync(at("masks", "a", "0.png"), encodeIndexedPng({ ...exact, data: exact.data.map(() => 255) }));
    utimesSync(at("masks", "a", "0.png"), earlier, earlier);
    utimesSync(at("masks", "a"), later, later);
    expect(await resumed()).toBe(1);
  });

  it("says which label maps have no masks before it refines any", async () => {
    putMasks("a");
    const run = await sam("--masks", at("masks"));
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`no masks for sub/b in ${at("masks")}: neither sub/b.json nor a folder sub/b`);
    expect(existsSync(at("out"))).toBe(false);
  });

  it("asks for masks or weights, and for photographs beside weights", async () => {
    expect((await sam()).stderr).toContain("expected --masks or --weights");
    expect((await sam("--weights", "x.pth")).stderr).toContain("expected --images");
  });

  it("makes the masks itself where it has weights", async () => {
    const network = createSam("mobile_sam");
    fillModule(network);
    // No mask is expected to fit, so that every label stays as it is.
    noGrad(() => network.mask_decoder.iou_prediction_head.layers.at(2).bias!.sub_(9));
    saveTensors(at("mobile.safetensors"), network.stateDict());
    network.dispose();
    writeFileSync(at("one.txt"), "a\n");
    const run = await sam("--images", at("images"), "--weights", at("mobile.safetensors"), "--ids", at("one.txt"));
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(readFileSync(at("out-masks", "a.json"), "utf8"))).toEqual([]);
    expect(Buffer.compare(result("out", "a").data, rough.data)).toBe(0);
  }, 300_000);
});
