/** Automatic mask generation with the golden file's tiny network. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { cut } from "../../../src/data/enlarge.ts";
import { areaOfRuns, type Runs } from "../../../src/formats/coco-runs.ts";
import { samInput } from "../../../src/models/sam/input.ts";
import { foregroundPoints } from "../../../src/models/sam/prompt-encoder.ts";
import { Sam } from "../../../src/models/sam/sam.ts";
import { pointGrid } from "../../../src/refine/sam/crops.ts";
import { canvasOf, drawnRuns, stabilityScores } from "../../../src/refine/sam/draw-masks.ts";
import { generateMasks } from "../../../src/refine/sam/generate.ts";
import { boxOfRuns } from "../../../src/refine/sam/mask-runs.ts";
import { suppress } from "../../../src/refine/sam/nms.ts";
import { type MaskOptions, maskDefaults } from "../../../src/refine/sam/options.ts";
import { F, liveBytes, liveTensors, noGrad, scope, Tensor, tensor } from "../../../src/torch/index.ts";
import { withoutInit } from "../../../src/torch/nn/index.ts";
import { fillInput, fillModule } from "../../helpers/fill.ts";
import { expectGolden, recordDeviation } from "../../helpers/golden.ts";
import { tiny, tinyConfig } from "../../models/sam/golden.ts";

function tinySam(): Sam {
  const sam = withoutInit(() => new Sam(tinyConfig())).eval();
  fillModule(sam);
  onTestFinished(() => sam.dispose());
  return sam;
}

/** A picture of smooth colours. */
function picture(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    data[i] = 128 + 100 * Math.sin((x * (1 + (i % 3)) * 9) / width) * Math.cos((y * 7) / height);
  }
  return { data, width, height };
}

/** Everything passes but for what the tests ask for. */
const open: MaskOptions = {
  ...maskDefaults,
  points_per_side: 4,
  pred_iou_thresh: 0,
  stability_score_thresh: 0,
  box_nms_thresh: 1,
};

const size = { width: 40, height: 30 };

describe("masks of the decoder at the photograph's size", () => {
  it("are the public code's, with their stability, boxes and areas", () => {
    const sam = tinySam();
    scope(() => {
      const image = sam.embed(fillInput(tiny.input, tiny.input_shape));
      const canvas = canvasOf({ ...size, fitted: [48, 64], side: 64 }, 32);
      for (const each of tiny.decoder) {
        const { masks } = sam.forward(image, {
          points: each.points_xy ? { xy: tensor(each.points_xy), labels: tensor(each.point_labels!) } : undefined,
          boxes: each.boxes_xyxy ? tensor(each.boxes_xyxy) : undefined,
        });
        const logits = masks.flatten(0, 1);
        const drawn = canvas.rows.transpose(0, 1).matmul(logits).matmul(canvas.columns);
        expectGolden(drawn.reshape(each.postprocessed.shape), each.postprocessed, { tolerance: 1e-5 });
        for (const [offset, golden] of [
          [1, each.stability_scores],
          [0.1, each["stability_scores_offset_0.1"]],
        ] as const) {
          const scores = stabilityScores(logits, canvas, offset);
          const off = Math.max(...scores.map((score, i) => Math.abs(score - golden.data![i]!)));
          recordDeviation(`stability at ${offset}`, off);
          expect(off).toBeLessThan(2e-3); // a pixel or two near the threshold
        }
        const runs = drawnRuns(logits, canvas);
        const areas = runs.map((own, i) => Math.abs(areaOfRuns(own) - each.areas.data![i]!));
        expect(Math.max(...areas)).toBeLessThanOrEqual(1);
        expect(runs.flatMap((own) => boxOfRuns(own, size.height))).toEqual(each.boxes_of_binary_masks.data);
      }
    });
  });

  it("do not depend on how many are drawn at once, and agree with plain interpolation", () => {
    const frame = { width: 301, height: 470, fitted: [64, 41] as const, side: 64 };
    scope(() => {
      const logits = fillInput("drawn", [3, 32, 32]);
      const canvas = canvasOf(frame, 32);
      const big = F.interpolate(logits.unsqueeze(0), { size: [64, 64], mode: "bilinear" }).narrow(3, 0, 41);
      const plain = F.interpolate(big.contiguous(), { size: [470, 301], mode: "bilinear" }).squeeze(0); // [3, 470, 301]
      const counts = plain.gt(0).sum([1, 2]).toArray();
      const together = drawnRuns(logits, canvas);
      const apart = [0, 1, 2].flatMap((i) => drawnRuns(logits.narrow(0, i, 1), canvas));
      expect(together).toEqual(apart);
      for (const [i, runs] of together.entries()) {
        expect(Math.abs(areaOfRuns(runs) - counts[i]!)).toBeLessThanOrEqual(3);
        const inside = plain.select(0, i).gt(0).transpose(0, 1).contiguous().toArray();
        expect(differing(runs, inside)).toBeLessThanOrEqual(3);
      }
    });
  });
});

function differing(runs: Runs, inside: readonly number[]): number {
  const mine = new Uint8Array(inside.length);
  for (let i = 0; i < runs.length; i += 2) mine.fill(1, runs[i]!, runs[i + 1]!);
  return mine.reduce((sum, value, i) => sum + (value === inside[i] ? 0 : 1), 0);
}

describe("automatic mask generation", () => {
  it("finds three masks a point without filters, best first, and leaves no tensors behind", () => {
    const sam = tinySam();
    const before = liveTensors();
    const { masks, times } = generateMasks(sam, picture(40, 30), open);
    expect(masks).toHaveLength(48);
    const ious = masks.map(({ predictedIou }) => predictedIou);
    expect(ious).toEqual([...ious].sort((a, b) => b - a));
    for (const { runs, area, box } of masks) {
      expect(areaOfRuns(runs)).toBe(area);
      expect(boxOfRuns(runs, 30)).toEqual(box);
    }
    expect(Object.values(times).every((seconds) => seconds > 0)).toBe(true);
    expect(liveTensors()).toBe(before);
  });

  it("refuses weights that say nothing of a mask's quality, instead of finding no masks", () => {
    const sam = tinySam();
    noGrad(() => sam.mask_decoder.iou_prediction_head.layers.at(2).bias!.mul_(Number.NaN));
    expect(() => generateMasks(sam, picture(40, 30), open)).toThrow("its weights are damaged");
    sam.dispose();
  });

  it("is what prompting point by point gives, filtered and suppressed", () => {
    const sam = tinySam();
    const image = picture(40, 30);
    // This network's masks hardly differ in quality and reach: filters in the middle of what it has.
    noGrad(() => sam.mask_decoder.iou_prediction_head.layers.at(2).bias!.add_(1));
    const all = generateMasks(sam, image, { ...open, stability_score_offset: 0.05 }).masks;
    // Between two values, since decoding one point or many may round differently.
    const middle = (values: number[]) => {
      const sorted = [...new Set(values)].sort((a, b) => a - b);
      const at = sorted.length >> 1;
      return (sorted[at - 1]! + sorted[at]!) / 2;
    };
    const options: MaskOptions = {
      ...open,
      pred_iou_thresh: middle(all.map(({ predictedIou }) => predictedIou)),
      stability_score_offset: 0.05,
      stability_score_thresh: middle(all.map(({ stability }) => stability)),
    };
    const got = generateMasks(sam, image, options).masks;

    const found = scope(() => {
      const embedded = sam.embed(samInput(image, 64));
      const canvas = canvasOf({ ...size, fitted: [48, 64], side: 64 }, 32);
      return pointGrid(4).flatMap(([x, y]) => {
        const { masks, iou } = sam.forward(embedded, { points: foregroundPoints([[x * 64, y * 48]]) });
        const logits = masks.select(0, 0).narrow(0, 1, 3);
        const stability = stabilityScores(logits, canvas, 0.05);
        const runs = drawnRuns(logits, canvas);
        return iou
          .narrow(1, 1, 3)
          .toArray()
          .map((quality, i) => ({ quality, stability: stability[i]!, runs: runs[i]! }));
      });
    });
    const good = found.filter(
      (each) => each.quality > options.pred_iou_thresh && each.stability >= options.stability_score_thresh,
    );
    const boxes = good.map(({ runs }) => boxOfRuns(runs, 30));
    const kept = suppress(
      boxes,
      good.map(({ quality }) => quality),
      1,
    ).map((i) => good[i]!);
    expect(kept.length).toBeGreaterThan(3);
    expect(kept.length).toBeLessThan(32);
    expect(got.map(({ runs }) => runs)).toEqual(kept.map(({ runs }) => runs));
    // All reach from edge to edge, so that of boxes that overlap one is left, the best.
    const best = generateMasks(sam, image, { ...options, box_nms_thresh: 0.9 }).masks;
    expect(best.map(({ runs }) => runs)).toEqual([kept[0]!.runs]);
  });

  it("gives the same for any number of points at once", () => {
    const sam = tinySam();
    const masks = [1, 7, 64].map((points_per_batch) => {
      const options = { ...open, points_per_side: 5, points_per_batch };
      return generateMasks(sam, picture(33, 50), options).masks;
    });
    expect(masks[0]).toHaveLength(75);
    for (const each of masks) expect(each.map(({ runs }) => runs)).toEqual(masks[0]!.map(({ runs }) => runs));
  });

  it("puts masks of crops where the crops are", () => {
    const sam = tinySam();
    const image = picture(150, 120);
    // Crops that overlap this much end so near the photograph's edges that they cut nothing.
    const options = { ...open, crop_n_layers: 1, crop_nms_thresh: 1, crop_overlap_ratio: 1 };
    const { masks } = generateMasks(sam, image, options);
    expect([...new Set(masks.map(({ crop }) => crop.join()))].sort()).toEqual([
      "0,0,135,120",
      "0,0,150,120",
      "15,0,150,120",
    ]);
    for (const { box, crop, point, runs } of masks) {
      expect(box[0] >= crop[0] && box[1] >= crop[1] && box[2] < crop[2] && box[3] < crop[3]).toBe(true);
      expect(point[0] > crop[0] && point[0] < crop[2] && point[1] > crop[1] && point[1] < crop[3]).toBe(true);
      expect(boxOfRuns(runs, 120)).toEqual(box);
    }
    const right = cut(image, { left: 15, top: 0, width: 135, height: 120 });
    const alone = generateMasks(sam, right, open).masks.map(({ runs }) => runs.map((at) => at + 15 * 120).join());
    const inRight = masks.filter(({ crop }) => crop[0] === 15);
    expect(new Set(inRight.map(({ runs }) => runs.join()))).toEqual(new Set(alone));
  });

  it("drops masks that a crop cuts", () => {
    const options = { ...open, crop_n_layers: 1, crop_nms_thresh: 1 };
    const { masks } = generateMasks(tinySam(), picture(160, 120), options);
    expect(masks.length).toBeGreaterThan(0);
    // This network's masks all reach from edge to edge.
    expect(new Set(masks.map(({ crop }) => crop.join()))).toEqual(new Set(["0,0,160,120"]));
  });

  it("cleans masks of small regions", () => {
    const sam = tinySam();
    const [before, after] = [0, 12].map(
      (min_mask_region_area) => generateMasks(sam, picture(40, 30), { ...open, min_mask_region_area }).masks,
    );
    expect(after!.length).toBeLessThanOrEqual(before!.length);
    expect(after!.map(({ runs }) => runs.join())).not.toEqual(before!.map(({ runs }) => runs.join()));
    for (const { runs, area } of after!) expect([areaOfRuns(runs), area >= 12]).toEqual([area, true]);
  });

  it.each([
    [1, 40],
    [40, 1],
    [2, 2],
  ])("works on a photograph of %i × %i", (width, height) => {
    const { masks } = generateMasks(tinySam(), picture(width, height), { ...open, crop_n_layers: 1 });
    for (const { box } of masks) expect(box[2] < width && box[3] < height).toBe(true);
  });

  it("works on a photograph of 12,000 pixels without floating-point numbers for all of them", () => {
    const sam = tinySam();
    const [width, height] = [12_000, 3000];
    const image = { width, height, data: new Uint8Array(width * height * 3).fill(120) };
    let most = 0;
    const { narrow } = Tensor.prototype;
    const spy = vi.spyOn(Tensor.prototype, "narrow").mockImplementation(function (this: Tensor, ...args) {
      most = Math.max(most, liveBytes());
      return narrow.apply(this, args);
    });
    onTestFinished(() => spy.mockRestore());
    const before = liveBytes();
    const { masks } = generateMasks(sam, image, { ...open, points_per_side: 1 });
    expect(masks).toHaveLength(3);
    expect(masks.every(({ box }) => box[2] < width && box[3] < height)).toBe(true);
    // A float32 for each value of the photograph would take 432 MB, and one for each pixel and mask as much.
    expect(most - before).toBeGreaterThan(0);
    expect(most - before).toBeLessThan(150e6);
  }, 300_000);

  it("refuses options out of range by their names", () => {
    const sam = tinySam();
    expect(() => generateMasks(sam, picture(4, 4), { ...open, points_per_side: 0 })).toThrow(
      "expected a whole number in 1..512 for points_per_side, got 0",
    );
    expect(() => generateMasks(sam, picture(4, 4), { ...open, box_nms_thresh: Number.NaN })).toThrow("box_nms_thresh");
  });
});
