/** The recipes of the published data sets: what they say against the paper's text and the authors' code. */
import { describe, expect, it } from "vitest";
import { backboneInfo } from "../../../src/models/registry.ts";
import { builtInRecipes, diffRecipes, loadRecipe, type Recipe, recipeSchema } from "../../../src/training/config.ts";
import { emaDecay, rampPosition, rampValue } from "../../../src/training/schedules.ts";
import { readGolden } from "../../helpers/golden.ts";

const env = { CSRM_DATA: "/data", CSRM_WEIGHTS: "/weights" };
const load = (name: string) => loadRecipe(name, { env });
const published = builtInRecipes().filter((name) => /^(voc12|coco14)-rs/.test(name));
const { schedules, ema } = readGolden<{
  ema: { decay_table: { g: number; S: number; warmup: number; decay: number }[] };
  schedules: { lambda_s2c_from_epoch0: number[]; unsup_percentile: number[] };
}>("05-losses");

/** The sections that are the method, without places, network, start and rates. */
const method = ({ name, device, data, model, pretrain, optimizer, verify, ...rest }: Recipe) => rest;

describe("the published recipes", () => {
  it("are there for both data sets, both networks, and both readings", () => {
    const names = ["voc12", "coco14"].flatMap((set) =>
      ["rs101", "rs269"].flatMap((net) => [`${set}-${net}`, `${set}-${net}-authors`]),
    );
    expect(published).toEqual(names.sort());
  });

  it.each(published)("%s names a backbone that exists and its weights", (name) => {
    const { model } = load(name);
    expect(model.backbone).toBe(`resnest${/-rs(\d+)/.exec(name)![1]}`);
    expect(backboneInfo(model.backbone).highChannels).toBe(2048);
    expect(model.weights).toBe(`/weights/${model.backbone}.safetensors`);
  });

  it.each(["voc12-rs101", "voc12-rs269", "coco14-rs101", "coco14-rs269"])("%s is the default method", (name) => {
    expect(diffRecipes(method(recipeSchema.parse({})), method(load(name)))).toEqual([]);
  });

  it.each(published)("%s starts from what the paper's runs started from, with its authors' settings", (name) => {
    const { pretrain, data, model } = load(name);
    const common = { epochs: 15, batch: 32, momentum: 0, weight_decay: 1e-4, batch_norm: "train", freeze: "none" };
    const voc = { method: "puzzle", lr: 0.1, label_smoothing: 0, puzzle: { tiles: 2, weight: 4, ramp: 0.5 } };
    const coco = {
      method: "pnoc",
      lr: 0.05,
      label_smoothing: 0.1,
      puzzle: voc.puzzle,
      pnoc: { erasure_weight: { from: 0.3, to: 1 }, ordinary_weight: { from: 0, to: 1 }, threshold: 0.2 },
    };
    expect(pretrain).toMatchObject({ ...common, ...(name.startsWith("voc12") ? voc : coco) });
    expect(data.size.map((side) => side % (2 * model.output_stride))).toEqual([0, 0]);
  });

  it("have the paper's sizes and rates", () => {
    const voc = load("voc12-rs101");
    const coco = load("coco14-rs101");
    expect([voc.data.size, coco.data.size]).toEqual([
      [512, 512],
      [640, 640],
    ]);
    expect([voc.optimizer.lr, voc.optimizer.lr_scratch]).toEqual([0.007, 0.07]);
    expect([coco.optimizer.lr, coco.optimizer.lr_scratch]).toEqual([0.004, 0.04]);
  });

  it.each([
    ["voc12-rs101-authors", 46, 0.1, 0.3, 6, "stem"],
    ["voc12-rs269-authors", 46, 0.1, 0.3, 6, "stem"],
    ["coco14-rs101-authors", 256, 0, 0.35, 12, "all_but_last"],
    ["coco14-rs269-authors", 256, 0, 0.35, 12, "all_but_last"],
  ] as const)("%s has the settings of the authors' runner", (name, perEpoch, smoothing, foreground, ranks, frozen) => {
    const recipe = load(name);
    expect(recipe).toMatchObject({
      batch: { labelled: 32, unlabelled: 32 },
      model: { freeze: frozen, batch_norm: "frozen" },
      transforms: { crop: "scale_crop", flip: 0.5, jitter: { probability: 0.8 }, blur: { probability: 0.5 } },
      schedule: { steps: 15 * perEpoch, warmup_steps: perEpoch, ema_warmup_steps: 2 * perEpoch, decay: "poly" },
      optimizer: { lr: 0.007, lr_scratch: 0.07, momentum: 0.9, nesterov: true, weight_decay: 1e-4, clip_norm: 1 },
      label_smoothing: smoothing,
      pseudo_labels: {
        background_threshold: 0.05,
        foreground_threshold: foreground,
        normalise: "strided",
        gt_prob: 0.7,
      },
      classmix: { probability: 0.5, scope: "batch" },
      s2c: { sigma: 0.5 },
      unsupervised: { normaliser: "u2pl" },
      contrast: {
        queries: 256,
        negatives: 50,
        low_rank: 3,
        high_rank: ranks,
        labelled_entropy_split: false,
        positive_confidence: 0,
        negative_max_confidence: 1,
        bank: { foreground: 30_000, background: 50_000 },
      },
      ema: { decay: 0.99 },
      predict: { scales: [0.5, 1, 1.5, 2], flip: true },
    });
  });

  it.each(["voc12", "coco14"])("verify on %s with the authors' DeepLabV3+ and the paper's DeepLabV2", (set) => {
    const voc = set === "voc12";
    for (const name of published.filter((each) => each.startsWith(set))) {
      expect(load(name).verify, name).toMatchObject({
        enabled: voc,
        ...{ network: "deeplabv3plus", backbone: "resnest269", weights: "/weights/resnest269.safetensors" },
        ...{ output_stride: 16, head_channels: 256, batch_norm: "train", freeze: "none", epochs: 50, batch: 32 },
        size: voc ? [512, 512] : [640, 640],
        resize: { longest: voc ? [320, 640] : [400, 800] },
        ...{ optimizer: "sgd", lr: voc ? 0.007 : 0.004, lr_head_multiplier: 10, lr_bias_multiplier: 2 },
        ...{ momentum: 0.9, nesterov: true, weight_decay: 4e-5, decay: "poly", decay_every: 1, label_smoothing: 0.1 },
        predict: { scales: [0.5, 1, 1.5, 2], flip: true, gaussian_sxy: 1, bilateral_sxy: 67, bilateral_srgb: 3 },
      });
    }
    expect(load(`${set}-deeplabv2`).verify).toMatchObject({
      ...{ network: "deeplabv2", batch_norm: "frozen", steps: voc ? 10_000 : 20_000, batch: 10 },
      size: voc ? [321, 321] : [481, 481],
      ...{ lr: voc ? 2.5e-4 : 2e-4, lr_head_multiplier: 10, lr_bias_multiplier: 2, weight_decay: 5e-4, momentum: 0.9 },
      ...{ nesterov: false, decay: "poly", decay_every: 10, label_smoothing: 0, place: "corner" },
      predict: { scales: [1], flip: false, crf: true },
    });
  });

  it("follow the authors' ramps at the beginning of every epoch", () => {
    const { schedule, s2c, unsupervised } = load("voc12-rs101-authors");
    const span = { warmup: schedule.warmup_steps!, steps: schedule.steps! };
    for (let epoch = 1; epoch < 15; epoch++) {
      const t = rampPosition(46 * epoch, span);
      expect(rampValue(s2c.weight, t)).toBeCloseTo(schedules.lambda_s2c_from_epoch0[epoch]!, 4);
      expect(100 * rampValue(unsupervised.reliable, t)).toBeCloseTo(schedules.unsup_percentile[epoch]!, 1);
    }
  });

  it("move the teacher as the authors' code does", () => {
    const { schedule, ema: teacher } = load("voc12-rs101-authors");
    const rows = ema.decay_table.filter((row) => row.S === 46 && row.warmup === 1 && row.g > 92);
    expect(rows.length).toBeGreaterThan(2);
    for (const { g, decay } of rows) {
      const own = emaDecay(g, {
        warmup: schedule.warmup_steps!,
        copySteps: schedule.ema_warmup_steps!,
        decay: teacher.decay,
      });
      expect(own).toBeCloseTo(decay, 6);
    }
  });
});
