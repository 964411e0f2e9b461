import { describe, expect, it } from "vitest";
import { entropy, quantile } from "../../src/losses/entropy.ts";
import { segmentationConsistencyLoss } from "../../src/losses/segmentation-consistency.ts";
import { teacherLabels } from "../../src/losses/teacher-labels.ts";
import { empty, full, grad, gradcheck, ones, randn, tensor, zeros } from "../../src/torch/index.ts";
import { double, expectClose, expectGradient, expectTensor, losses } from "./fixture.ts";

describe("the segmentation consistency loss", () => {
  const { unsupervised: golden } = losses;
  const { labels } = teacherLabels(double(golden.teacher_logits_clean), double(golden.labels_u));
  const entropies = entropy(double(golden.teacher_logits_mixed).softmax(1));

  it("learns the reference's labels and entropies", () => {
    expect(labels.toArray()).toEqual(golden.target.data);
    expectTensor(entropies, golden.entropy);
  });

  it.each(golden.cases)("equals the authors' reference at $percent percent", (one) => {
    const logits = double(golden.student_logits).requiresGrad_();
    const options = { reliable: one.percent / 100, normaliser: "u2pl" } as const;
    const { loss, kept } = segmentationConsistencyLoss(logits, labels, entropies, options);
    expectClose(quantile(entropies, one.percent / 100), one.threshold);
    expectClose(kept.item() * labels.numel, one.n_kept);
    expectClose(loss, one.loss_authors);
    expectGradient(loss, logits, one.grad_mean, one.authors_factor);
  });

  it.each(golden.cases.filter((one) => one.percent < 100))("equals the paper's reading at $percent percent", (one) => {
    const logits = double(golden.student_logits).requiresGrad_();
    const { loss } = segmentationConsistencyLoss(logits, labels, entropies, {
      reliable: one.percent / 100,
      normaliser: "kept",
    });
    expectClose(loss, one.loss_mean);
    expectGradient(loss, logits, one.grad_mean);
  });

  it("keeps every pixel at 100 percent in the paper's reading, and all but the maximum in the authors'", () => {
    const kept = (normaliser: "kept" | "u2pl") =>
      segmentationConsistencyLoss(double(golden.student_logits), labels, entropies, {
        reliable: 1,
        normaliser,
      }).kept.item();
    expect(kept("kept")).toBe(1);
    expectClose(kept("u2pl"), 1 - 1 / entropies.numel);
  });

  it("has the gradient that differences give", () => {
    const few = tensor(
      [
        [
          [0.1, 0.9],
          [0.4, 0.2],
        ],
      ],
      { dtype: "float64" },
    );
    const target = tensor(
      [
        [
          [0, 1],
          [2, 1],
        ],
      ],
      { dtype: "uint8" },
    );
    const check = (normaliser: "kept" | "u2pl") =>
      gradcheck(
        (x) => segmentationConsistencyLoss(x, target, few, { reliable: 0.8, normaliser }).loss,
        [randn([1, 3, 2, 2], { dtype: "float64" })],
      );
    check("kept");
    check("u2pl");
  });

  it("is lower for a student that agrees with the teacher", () => {
    const loss = (logit: number) =>
      segmentationConsistencyLoss(tensor([[[[-logit]], [[logit]]]]), ones([1, 1, 1]).to("uint8"), zeros([1, 1, 1]), {
        reliable: 0.8,
        normaliser: "kept",
      }).loss.item();
    expect(loss(2)).toBeLessThan(loss(0));
    expect(loss(0)).toBeLessThan(loss(-2));
  });

  it("keeps all pixels of constant entropy in the paper's reading; in the authors' none, and the loss is 0, not NaN", () => {
    const logits = randn([1, 2, 3, 3]).requiresGrad_();
    const constant = full([1, 3, 3], 0.5);
    const at = (normaliser: "kept" | "u2pl") =>
      segmentationConsistencyLoss(logits, zeros([1, 3, 3]).to("uint8"), constant, { reliable: 0.8, normaliser });
    expect(at("kept").kept.item()).toBe(1);
    expect([at("u2pl").loss.item(), at("u2pl").kept.item()]).toEqual([0, 0]);
    expect(
      grad([at("u2pl").loss], [logits])[0]!
        .abs()
        .sum()
        .item(),
    ).toBe(0);
  });

  it("is 0 without any unlabelled image", () => {
    const none = segmentationConsistencyLoss(empty([0, 2, 3, 3]), empty([0, 3, 3]), empty([0, 3, 3]), {
      reliable: 0.8,
      normaliser: "kept",
    });
    expect([none.loss.item(), none.kept.item()]).toEqual([0, 0]);
  });
});
