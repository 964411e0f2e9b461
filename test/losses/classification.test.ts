import { describe, expect, it } from "vitest";
import { classificationLoss } from "../../src/losses/classification.ts";
import { grad, gradcheck, tensor } from "../../src/torch/index.ts";
import { double, expectClose, expectGradient, losses } from "./fixture.ts";

const tags = [
  [1, 0, 0],
  [0, 1, 1],
];

describe("the classification loss", () => {
  const { soft_margin: golden, soft_margin_soft_targets: soft } = losses;

  it.each(golden.cases)("equals the reference with smoothing $smoothing, gradient included", (one) => {
    const logits = double(golden.logits).requiresGrad_();
    const loss = classificationLoss(logits, double(golden.targets), { smoothing: one.smoothing });
    expectClose(loss, one.loss);
    expectGradient(loss, logits, one.grad);
  });

  it("takes targets between 0 and 1", () => {
    const logits = double(soft.logits).requiresGrad_();
    const loss = classificationLoss(logits, double(soft.targets));
    expectClose(loss, soft.loss);
    expectGradient(loss, logits, soft.grad);
  });

  it("equals a value worked out by hand", () => {
    const logits = tensor(
      [
        [2, -1, 0.5],
        [-3, 0, 1],
      ],
      { dtype: "float64" },
    );
    const targets = tensor(tags, { dtype: "float64" });
    expectClose(classificationLoss(logits, targets), 0.4115438, 1e-7);
    expectClose(classificationLoss(logits, targets, { smoothing: 0.1 }), 0.4657105, 1e-7);
  });

  it("has the gradient that differences give", () => {
    const targets = tensor([...tags, [-1, -1, -1]], { dtype: "float64" });
    gradcheck(
      (logits) => classificationLoss(logits, targets, { smoothing: 0.1 }),
      [
        tensor(
          [
            [2, -1, 0.5],
            [-3, 0, 1],
            [1, 1, 1],
          ],
          { dtype: "float64" },
        ),
      ],
    );
  });

  it("is lower for logits that agree with the tags", () => {
    const targets = tensor(tags);
    const right = classificationLoss(
      tensor([
        [3, -3, -3],
        [-3, 3, 3],
      ]),
      targets,
    ).item();
    const undecided = classificationLoss(
      tensor([
        [0, 0, 0],
        [0, 0, 0],
      ]),
      targets,
    ).item();
    const wrong = classificationLoss(
      tensor([
        [-3, 3, 3],
        [3, -3, -3],
      ]),
      targets,
    ).item();
    expect(right).toBeLessThan(undecided);
    expect(undecided).toBeLessThan(wrong);
  });

  it("leaves out images without tags, but counts an image whose tags are known to be empty", () => {
    const logits = tensor(
      [
        [2, -1, 0.5],
        [5, 5, 5],
      ],
      { dtype: "float64" },
    ).requiresGrad_();
    const alone = classificationLoss(logits.narrow(0, 0, 1), tensor([tags[0]!], { dtype: "float64" })).item();
    const unlabelled = classificationLoss(logits, tensor([tags[0]!, [-1, -1, -1]], { dtype: "float64" }));
    const empty = classificationLoss(logits, tensor([tags[0]!, [0, 0, 0]], { dtype: "float64" }));
    expectClose(unlabelled, alone);
    expect(grad([unlabelled], [logits])[0]!.toArray().slice(3)).toEqual([0, 0, 0]);
    expect(empty.item()).toBeGreaterThan(unlabelled.item());
  });

  it("is 0 with a gradient of 0 when no image has tags", () => {
    const logits = tensor([[2, -1]]).requiresGrad_();
    const loss = classificationLoss(logits, tensor([[-1, -1]]));
    expect(loss.item()).toBe(0);
    expect(grad([loss], [logits])[0]!.abs().sum().item()).toBe(0);
  });
});
