import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { WeightsReport } from "../../../src/cli/weights-report.ts";
import { areaOfRuns } from "../../../src/formats/coco-runs.ts";
import { decodePng } from "../../../src/formats/indexed-png.ts";
import { InterruptedError, watchInterrupts } from "../../../src/interrupt.ts";
import { createSam, Sam } from "../../../src/models/sam/sam.ts";
import { readMasks } from "../../../src/refine/masks/mask-files.ts";
import type { MaskRecord } from "../../../src/refine/sam/mask-file.ts";
import { bytesOfRuns } from "../../../src/refine/sam/mask-runs.ts";
import { maskDefaults } from "../../../src/refine/sam/options.ts";
import { proposeMasks } from "../../../src/refine/sam/propose-stage.ts";
import { lockFolder } from "../../../src/run-lock.ts";
import { liveTensors, noGrad, ones, saveTensors } from "../../../src/torch/index.ts";
import { csrm } from "../../helpers/cli.ts";
import { fillModule } from "../../helpers/fill.ts";

const original = Sam.prototype.decode;
const folder = mkdtempSync(path.join(tmpdir(), "csrm-propose-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (...names: string[]) => path.join(folder, ...names);
const photos = inFolder("photos");
const weights = inFolder("mobile.safetensors");

beforeAll(async () => {
  const sam = createSam("mobile_sam");
  fillModule(sam);
  // These numbers say little of quality: every mask is expected to fit.
  noGrad(() => sam.mask_decoder.iou_prediction_head.layers.at(2).bias!.add_(5));
  saveTensors(weights, sam.stateDict());
  sam.dispose();
  mkdirSync(inFolder("photos", "more"), { recursive: true });
  const noise = { type: "gaussian", mean: 120, sigma: 40 } as const;
  for (const [name, width, height] of [
    ["a.png", 40, 30],
    ["more/b.jpg", 24, 36],
  ] as const) {
    await sharp({ create: { width, height, channels: 3, background: "black", noise } }).toFile(
      inFolder("photos", name),
    );
  }
});

const quick = [
  "--points-per-side",
  "2",
  "--stability-score-thresh",
  "0",
  "--box-nms-thresh",
  "1",
  "--precision",
  "fp32",
];

async function propose(out: string, ...options: string[]) {
  return csrm("propose", "--weights", weights, "--images", photos, "--out", inFolder(out), ...quick, ...options);
}

interface Summary {
  network: string;
  images: number;
  resumed: number;
  masks: number;
  skipped: { id: string; reason: string }[];
}

describe("csrm propose", () => {
  it("writes the masks of every photograph as JSON and as PNG files, and goes on where it stopped", async () => {
    const first = await propose("masks", "--format", "both", "--json");
    expect(first.code, first.stderr).toBe(0);
    const summary = JSON.parse(first.stdout) as Summary;
    expect(summary).toMatchObject({ network: "mobile_sam", images: 2, resumed: 0, masks: 24, skipped: [] });

    const records = JSON.parse(readFileSync(inFolder("masks", "a.json"), "utf8")) as MaskRecord[];
    expect(records).toHaveLength(12);
    const stored = await readMasks(inFolder("masks"), "a", { width: 40, height: 30 });
    const rows = readFileSync(inFolder("masks", "a", "metadata.csv"), "utf8")
      .trim()
      .split("\n");
    expect(rows[0]).toMatch(/^id,area,bbox_x0,.*,predicted_iou,stability_score,crop_box_x0/);
    for (const [i, { segmentation, area, bbox, crop_box, point_coords }] of records.entries()) {
      expect(segmentation.size).toEqual([30, 40]);
      expect(areaOfRuns(stored[i]!)).toBe(area);
      expect(crop_box).toEqual([0, 0, 40, 30]);
      expect([10, 30]).toContain(point_coords[0][0]);
      const png = decodePng(readFileSync(inFolder("masks", "a", `${i}.png`)), "a mask");
      expect([png.colour, png.width, png.height]).toEqual(["gray", 40, 30]);
      expect(png.data).toEqual(bytesOfRuns(stored[i]!, { width: 40, height: 30 }, 255));
      expect(rows[i + 1]!.split(",").slice(0, 6).map(Number)).toEqual([i, area, ...bbox]);
    }

    const written = statSync(inFolder("masks", "a.json")).mtimeMs;
    rmSync(inFolder("masks", "more", "b"), { recursive: true });
    const second = JSON.parse((await propose("masks", "--format", "both", "--json")).stdout) as Summary;
    expect(second).toMatchObject({ images: 2, resumed: 1, masks: 12 });
    expect(statSync(inFolder("masks", "a.json")).mtimeMs).toBe(written);
    expect(readdirSync(inFolder("masks", "more", "b"))).toHaveLength(13);
  }, 120_000);

  it("finds the same with another number of points at once, and refuses other options in the same folder", async () => {
    const before = readFileSync(inFolder("masks", "a.json"), "utf8");
    const soon = new Date(Date.now() + 5000);
    utimesSync(inFolder("photos", "a.png"), soon, soon);
    const again = await propose("masks", "--format", "both", "--points-per-batch", "3", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ resumed: 1, masks: 12 });
    expect(await readMasks(inFolder("masks"), "a", { width: 40, height: 30 })).toHaveLength(12);
    expect(readFileSync(inFolder("masks", "a.json"), "utf8").length).toBeGreaterThan(before.length / 2);
    const other = await propose("masks", "--format", "both", "--min-mask-region-area", "9");
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("min_mask_region_area: 0 → 9")]);
  }, 120_000);

  it("skips what is no photograph and says why", async () => {
    const mixed = inFolder("mixed");
    mkdirSync(mixed);
    copyFileSync(inFolder("photos", "a.png"), path.join(mixed, "good.png"));
    writeFileSync(path.join(mixed, "bad.jpg"), "no picture");
    await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } }).toFile(
      path.join(mixed, "dot.png"),
    );
    const { code, stdout, stderr } = await propose("mixed-masks", "--images", mixed);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /1 photographs .*\nmobile_sam: 12 masks, 12\.0 a photograph; embed .*\nskipped 2 of 3 photographs:\n.*bad\.jpg.*not a picture.*\n.*dot\.png.*single pixel/,
    );
    const strict = await propose("strict-masks", "--images", mixed, "--strict");
    expect([strict.code, strict.stderr]).toEqual([1, expect.stringContaining("bad.jpg")]);
  }, 120_000);

  it.each([
    [["--weights", "absent.pth"], "absent.pth"],
    [["--points-per-side", "2.5"], "Expected a whole number of at least 1 and of at most 512"],
    [["--images", "nowhere"], "cannot read nowhere: no such file"],
    [["--out", photos], "expected a folder outside of the photographs'"],
    [["--device", "cuda:9"], "expected a device that libtorch can use"],
  ])("refuses %j before any work", async (options, message) => {
    const { code, stderr } = await propose("refused", ...options);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
    expect(existsSync(inFolder("refused"))).toBe(false);
  });

  it("refuses photographs whose masks would take the place of other files", async () => {
    const odd = inFolder("odd");
    mkdirSync(path.join(odd, "x"), { recursive: true });
    for (const name of ["settings.png", "x.png", "x/y.png"])
      copyFileSync(inFolder("photos", "a.png"), path.join(odd, name));
    const json = await propose("odd-masks", "--images", odd);
    expect(json.stderr).toContain("expected another name than settings for a photograph");
    const png = await propose("odd-masks", "--images", odd, "--format", "png");
    expect(png.stderr).toContain("expected a folder that is not called like the photograph x");
  });
});

it("csrm weights inspect recognises the network and says what it is for", async () => {
  const { stdout } = await csrm("weights", "inspect", weights);
  expect(stdout).toMatch(/layout +a Segment Anything network\nbackbone +mobile_sam\n/);
  expect(stdout).toMatch(/serves as +csrm propose\n$/);
  const report = JSON.parse((await csrm("weights", "inspect", weights, "--json")).stdout) as WeightsReport;
  expect([report.layout, report.sam, report.starts]).toEqual(["sam", "mobile_sam", []]);
  expect(report.tensors.every(({ known }) => known)).toBe(true);
});

it("does the photographs in shards as it does them in one process", async () => {
  const args = ["propose", "--weights", weights, "--images", photos, "--out", inFolder("shards"), ...quick, "--json"];
  for (const shard of ["1/2", "2/2"]) {
    const { code, stdout, stderr } = await csrm(...args, "--shard", shard);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: 1, resumed: 0 });
  }
  expect(JSON.parse((await csrm(...args)).stdout)).toMatchObject({ images: 2, resumed: 2 });
  const many = await csrm(...args, "--shard", "1/3");
  expect([many.code, many.stderr]).toEqual([1, expect.stringContaining("at most 2 shards for 2 photographs")]);
}, 120_000);

it("stops within a photograph when asked to, keeps those that were finished, and goes on", async () => {
  const before = liveTensors();
  const work = {
    samples: ["a.png", "more/b.jpg"].map((name) => ({ id: name.slice(0, -4), image: path.join(photos, name) })),
    masks: { ...maskDefaults, points_per_side: 2, points_per_batch: 1, stability_score_thresh: 0, box_nms_thresh: 1 },
    ...({ weights, out: inFolder("stopped"), format: "json", device: "cpu", precision: "fp32" } as const),
  };
  // The image encoder takes most of the time and has no part in this.
  const embed = vi.spyOn(Sam.prototype, "embed").mockImplementation(function (this: Sam) {
    return { embedding: ones([1, 256, 64, 64]), positions: this.prompt_encoder.densePositions() };
  });
  let batches = 0;
  const decode = vi.spyOn(Sam.prototype, "decode").mockImplementation(function (this: Sam, ...args) {
    // Four batches a photograph: the second one of the second.
    if (++batches === 6) process.emit("SIGINT");
    return original.apply(this, args);
  });
  const stopWatching = watchInterrupts(() => {});
  await expect(proposeMasks(work)).rejects.toThrow(InterruptedError);
  stopWatching();
  expect(batches).toBe(6);
  expect(liveTensors()).toBe(before);
  expect([existsSync(inFolder("stopped/a.json")), existsSync(inFolder("stopped/more/b.json"))]).toEqual([true, false]);
  expect(await proposeMasks(work)).toMatchObject({ images: 2, resumed: 1, masks: 12 });
  for (const spy of [embed, decode]) spy.mockRestore();
});

it("refuses a folder that another process makes masks in", async () => {
  mkdirSync(inFolder("busy"));
  const lock = lockFolder(inFolder("busy"), () => {});
  const { code, stderr } = await csrm(
    ...["propose", "--weights", weights, "--images", photos, "--out", inFolder("busy")],
    ...quick,
  );
  lock.release();
  expect([code, stderr]).toEqual([1, expect.stringMatching(/process \d+ .*is at work in .*busy/)]);
});
