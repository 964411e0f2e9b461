import { describe, expect, it } from "vitest";
import { contrastMasks } from "../../src/losses/contrast-masks.ts";
import { contrastiveLoss, type Draw, infoNce } from "../../src/losses/contrastive.ts";
import { unitRows } from "../../src/losses/functional.ts";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import { full, gradcheck, liveTensors, manualSeed, ones, randn, stack, tensor, zeros } from "../../src/torch/index.ts";
import { bits, type ContrastCase, double, expectClose, expectGradient, integers, losses, unrolled } from "./fixture.ts";

const readings = ["authors", "paper"] as const;
const cases = Object.entries(losses.contrast.cases).flatMap(([name, golden]) =>
  readings.map((reading) => ({ name, reading, golden })),
);

/** The switches of each reading. */
function rules(golden: ContrastCase, reading: "authors" | "paper") {
  return {
    alpha: golden.alpha_percent / 100,
    lowRank: golden.low_rank,
    highRank: golden.high_rank,
    queryConfidence: golden.query_min_prob,
    positiveConfidence: reading === "paper" ? golden.query_min_prob : 0,
    negativeMaxConfidence: golden[reading].negative_max_prob,
    labelledEntropySplit: reading === "paper",
  };
}

function pixels(golden: ContrastCase) {
  return {
    probabilities: double(golden.teacher_logits).softmax(1),
    labels: integers(golden.pixel_labels),
    tags: double(golden.labels),
    labelled: 2,
  };
}

const bankOf = (classes: number, channels: number) =>
  new MemoryBank({ classes, channels, foreground: 400, background: 500, dtype: "float64" });

describe("the parts of pixels in the contrast", () => {
  it.each(cases)("equal the $reading reading of $name", ({ golden, reading }) => {
    const wanted = golden[reading];
    const masks = contrastMasks(pixels(golden), rules(golden, reading));
    expect(bits(masks.low)).toEqual(wanted.low.data);
    expect(bits(masks.high)).toEqual(wanted.high.data);
    for (let c = 0; c < wanted.n_negatives.length; c++) {
      expect(bits(masks.queries.select(1, c)), `queries of class ${c}`).toEqual(
        unrolled(wanted.query_mask_by_class[c]!),
      );
      expect(bits(masks.negatives.select(1, c)), `negatives of class ${c}`).toEqual(
        unrolled(wanted.negative_mask_by_class[c]!),
      );
    }
    expect(
      masks.anchors
        .sum([0, 2, 3])
        .gt(0)
        .toArray()
        .flatMap((any, c) => (any ? [c] : [])),
    ).toEqual(wanted.valid_classes);
  });

  it("take no top-rank negatives from an image without tags, and its window still counts", () => {
    const golden = losses.contrast.cases.all_classes!;
    const input = { ...pixels(golden), tags: full(golden.labels.shape, -1) };
    const masks = contrastMasks(input, { ...rules(golden, "paper"), negativeMaxConfidence: 1 });
    const window = contrastMasks(input, { ...rules(golden, "paper"), negativeMaxConfidence: 1, lowRank: 2 });
    expect(bits(masks.negatives)).toEqual(bits(window.negatives));
    const none = contrastMasks(input, { ...rules(golden, "paper"), negativeMaxConfidence: 1, highRank: 3 });
    expect(none.negatives.sum().item()).toBe(0);
  });

  it("are empty where entropy is constant", () => {
    const flat = {
      probabilities: full([2, 3, 2, 2], 1 / 3),
      labels: zeros([2, 2, 2]),
      tags: ones([2, 2]),
      labelled: 1,
    };
    const masks = contrastMasks(flat, rules(losses.contrast.cases.all_classes!, "paper"));
    for (const mask of Object.values(masks)) expect(mask.sum().item()).toBe(0);
  });
});

describe("the contrastive loss", () => {
  it.each(cases)("equals the $reading reading of $name, gradient included", ({ golden, reading }) => {
    const wanted = golden[reading].info_nce;
    const computed = wanted.items.filter((item) => !item.skipped);
    const student = double(golden.rep_student).requiresGrad_();
    const bank = bankOf(6, student.shape[1]!);
    const inputs = { ...pixels(golden), student, teacher: double(golden.rep_teacher) };
    const options = {
      ...rules(golden, reading),
      queries: computed[0]?.query_idx.length ?? 8,
      negatives: computed[0]?.negative_idx[0]?.length ?? 5,
      temperature: golden.temperature,
      draw: replay([computed.map((item) => item.query_idx), computed.map((item) => item.negative_idx.flat())]),
    };
    const loss = contrastiveLoss(inputs, bank, options);
    expectClose(loss, wanted.loss);
    expect(golden[reading].n_negatives).toEqual([0, 1, 2, 3, 4, 5].map((c) => bank.size(c)));
    if (wanted.grad_rep_student) expectGradient(loss, student, wanted.grad_rep_student);
    else expect(loss.requiresGrad).toBe(false);
  });

  it("draws only from a class's own candidates and finds negatives of earlier steps", () => {
    const { inputs, bank } = twoClasses();
    const seen: number[][] = [];
    const record: Draw = (counts, each, device) => {
      seen.push([...counts]);
      return zeros([counts.length, each], { dtype: "int64", device });
    };
    expect(contrastiveLoss(inputs, bank, { ...plain, draw: record }).item()).toBe(0);
    expect(seen).toEqual([]); // no class has negatives yet
    bank.push(
      0,
      tensor([
        [0, 1],
        [0, 1],
        [0, 1],
      ]),
    );
    expect(contrastiveLoss(inputs, bank, { ...plain, draw: record }).item()).toBeGreaterThan(0);
    expect(seen).toEqual([[2], [3]]);
  });

  it("is lower the more queries look like their positive and unlike their negatives", () => {
    const loss = (angle: number) => {
      const query = tensor([[[Math.cos(angle), Math.sin(angle)]]]);
      return infoNce(
        query,
        tensor([[2, 0]]),
        tensor([
          [
            [
              [0, 1],
              [0, 1],
            ],
          ],
        ]),
        0.5,
      ).item();
    };
    expect(loss(0)).toBeLessThan(loss(0.5));
    expect(loss(0.5)).toBeLessThan(loss(1.5));
    expectClose(loss(0), Math.log(1 + 2 * Math.exp(-2)), 1e-6);
  });

  it("has the gradient that differences give", () => {
    manualSeed(3);
    const positive = randn([2, 4], { dtype: "float64" });
    const negative = unitRows(randn([2, 3, 5, 4], { dtype: "float64" }));
    gradcheck((query) => infoNce(query, positive, negative, 0.5), [randn([2, 3, 4], { dtype: "float64" })]);
  });

  it("is an empty sum for a process that none of the drawn pixels belongs to", () => {
    const query = randn([0, 1, 4]).requiresGrad_();
    const terms = infoNce(query, randn([0, 4]), randn([0, 1, 5, 4]), 0.5);
    expect(terms.shape).toEqual([0]);
    terms.sum().backward();
    expect(query.grad!.shape).toEqual([0, 1, 4]);
  });

  it("draws uniformly by libtorch's generator, the same again for the same seed", () => {
    const { inputs, bank } = twoClasses();
    bank.push(0, randn([5, 2]));
    bank.push(1, randn([3, 2]));
    const run = (seed: number) => {
      manualSeed(seed);
      return contrastiveLoss(inputs, bank, { ...plain, queries: 3, negatives: 2 }).item();
    };
    expect(run(1)).toBe(run(1));
    expect(new Set([1, 2, 3, 4].map(run)).size).toBeGreaterThan(1);
  });

  it("is 0 when only one class has reliable pixels, and its negatives still reach the bank", () => {
    const golden = losses.contrast.cases.all_classes!;
    const student = double(golden.rep_student).requiresGrad_();
    const bank = bankOf(6, student.shape[1]!);
    const one = { ...pixels(golden), labels: zeros(golden.pixel_labels.shape, { dtype: "int64" }) };
    const options = { ...rules(golden, "authors"), queries: 4, negatives: 4, temperature: 0.5 };
    const loss = contrastiveLoss({ ...one, student, teacher: double(golden.rep_teacher) }, bank, options);
    expect([loss.item(), loss.requiresGrad]).toEqual([0, false]);
    expect(bank.size(1)).toBeGreaterThan(0);
  });

  it("is 0 when every pixel is void, and with half-precision representations as close as those can be", () => {
    const golden = losses.contrast.cases.all_classes!;
    const options = { ...rules(golden, "authors"), queries: 4, negatives: 4, temperature: 0.5, draw: first };
    const run = (labels: number | null, dtype: "float32" | "bfloat16") => {
      const { labels: real, ...rest } = pixels(golden);
      return contrastiveLoss(
        {
          ...rest,
          labels: labels === null ? real : full(golden.pixel_labels.shape, labels, { dtype: "int64" }),
          student: double(golden.rep_student).to(dtype),
          teacher: double(golden.rep_teacher).to(dtype),
        },
        new MemoryBank({ classes: 6, channels: 8, foreground: 400, background: 500 }),
        options,
      ).item();
    };
    expect(run(255, "float32")).toBe(0);
    expectClose(run(null, "bfloat16"), run(null, "float32"), 0.01);
  });

  it("leaves no tensors behind but its loss", () => {
    const { inputs, bank } = twoClasses();
    bank.push(0, randn([5, 2]));
    const before = liveTensors();
    const loss = contrastiveLoss(inputs, bank, plain);
    expect(liveTensors()).toBe(before + 1);
    loss.dispose();
  });
});

const plain = {
  alpha: 0.7,
  lowRank: 1,
  highRank: 2,
  queryConfidence: 0.3,
  positiveConfidence: 0.3,
  negativeMaxConfidence: 1,
  labelledEntropySplit: true,
  queries: 1,
  negatives: 1,
  temperature: 0.5,
};

/** Two images of 1 × 4 pixels, two classes: the left halves are certain and of class 0 or 1, the right halves are void. */
function twoClasses() {
  const sure = [0.99, 0.98];
  const unsure = [0.5, 0.5];
  const first = tensor([[[[...sure, ...unsure]], [[0.01, 0.02, ...unsure]]]]);
  const inputs = {
    probabilities: stack([first.squeeze(0), first.squeeze(0).flip(0)], 0),
    labels: tensor([[[0, 0, 255, 255]], [[1, 1, 0, 1]]], { dtype: "int64" }),
    tags: tensor([[1], [1]]),
    labelled: 1,
    student: randn([2, 2, 1, 4]).requiresGrad_(),
    teacher: randn([2, 2, 1, 4]),
  };
  return { inputs, bank: new MemoryBank({ classes: 2, channels: 2, foreground: 9, background: 9 }) };
}

/** The first candidate every time. */
const first: Draw = (counts, each, device) => zeros([counts.length, each], { dtype: "int64", device });

/** Hands out fixed draws, one after the other. */
function replay(draws: number[][][]): Draw {
  let next = 0;
  return () => tensor(draws[next++]!, { dtype: "int64" });
}
