import { describe, expect, it } from "vitest";
import { activationConsistencyLoss } from "../../src/losses/activation-consistency.ts";
import { teacherLabels } from "../../src/losses/teacher-labels.ts";
import { full, grad, gradcheck, randn, tensor, zeros } from "../../src/torch/index.ts";
import { double, expectClose, expectGradient, losses } from "./fixture.ts";

describe("the activation consistency loss", () => {
  const { activation_consistency: golden } = losses;
  const untagged = full(golden.labels.shape, -1);

  it.each(golden.cases)("equals the reference: $mode, sigma $sigma, smoothing $smoothing", (one) => {
    const cam = double(golden.cam_raw).requiresGrad_();
    const background = double(golden.student_bg_logit).requiresGrad_();
    const teacher = teacherLabels(
      double(golden.teacher_logits),
      one.mode === "authors" ? double(golden.labels) : untagged,
    );
    const { loss, kept } = activationConsistencyLoss(cam, background, teacher, one);
    const counted = teacher.confidence.gt(one.sigma);
    expect(teacher.labels.maskedFill(counted.logicalNot(), 255).toArray()).toEqual(one.target.data);
    expectClose(kept, one.kept_fraction ?? 0, 1e-6);
    expectClose(loss, one.loss ?? 0); // the reference has no value where no pixel is kept
    if (one.grad_cam) expectGradient(loss, cam, one.grad_cam);
    expect(grad([activationConsistencyLoss(cam, background, teacher, one).loss], [background])[0]).toBeNull();
  });

  it("has the gradient that differences give", () => {
    const teacher = teacherLabels(randn([1, 3, 4, 4], { dtype: "float64" }), tensor([[1, 1]]));
    const background = randn([1, 1, 4, 4], { dtype: "float64" });
    gradcheck(
      (cam) => activationConsistencyLoss(cam, background, teacher, { sigma: 0.4, smoothing: 0.1 }).loss,
      [randn([1, 2, 2, 2], { dtype: "float64" })],
    );
  });

  it("is lower for CAMs that are high where the teacher sees the class", () => {
    const teacher = { labels: tensor([[[0, 1]]], { dtype: "uint8" }), confidence: tensor([[[0.9, 0.9]]]) };
    const loss = (left: number, right: number) =>
      activationConsistencyLoss(tensor([[[[left, right]]]]), zeros([1, 1, 1, 2]), teacher, { sigma: 0.5 }).loss.item();
    expect(loss(-2, 2)).toBeLessThan(loss(0, 0));
    expect(loss(0, 0)).toBeLessThan(loss(2, -2));
  });

  it("is 0 with a gradient of 0 when the teacher is sure of no pixel", () => {
    const cam = randn([1, 2, 2, 2]).requiresGrad_();
    const teacher = teacherLabels(randn([1, 3, 4, 4]), tensor([[1, 1]]));
    const { loss, kept } = activationConsistencyLoss(cam, zeros([1, 1, 4, 4]), teacher, { sigma: 1 });
    expect([loss.item(), kept.item()]).toEqual([0, 0]);
    expect(grad([loss], [cam])[0]!.abs().sum().item()).toBe(0);
  });
});

describe("the teacher's labels", () => {
  it("name only the background and the image's tags, and everything for an image without tags", () => {
    const logits = tensor([[[[1]], [[5]], [[2]]]]);
    const shown = (tags: number[]) => teacherLabels(logits, tensor([tags])).labels.item();
    expect([shown([1, 0]), shown([0, 1]), shown([0, 0]), shown([-1, -1])]).toEqual([1, 2, 0, 1]);
  });

  it("are certain of the background where no class is tagged", () => {
    expect(teacherLabels(randn([1, 3, 2, 2]), tensor([[0, 0]])).confidence.toArray()).toEqual([1, 1, 1, 1]);
  });
});
