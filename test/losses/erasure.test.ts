import { describe, expect, it } from "vitest";
import { classificationLoss } from "../../src/losses/classification.ts";
import { eraseHard, eraseSoftly, erasureLoss } from "../../src/losses/erasure.ts";
import { gradcheck, ones, tensor, zeros } from "../../src/torch/index.ts";
import { fillGradient } from "../helpers/fill.ts";
import { expectGradient, expectTensor } from "./fixture.ts";
import { inputs, terms } from "./starts.ts";

describe("the soft erasure", () => {
  it("equals the written-out one, with its gradient to the map, the maximum included", () => {
    const erasure = inputs();
    const soft = eraseSoftly(erasure);
    expectTensor(soft, terms.soft.images);
    expectGradient(soft.mul(fillGradient("upstream", [3, 3, 8, 12]).double()).sum(), erasure.cam, terms.soft.grad_cam);
  });

  it("divides by the largest value of the whole batch", () => {
    const cam = tensor([4, 1], { shape: [2, 1, 1, 1] });
    const left = eraseSoftly({ images: ones([2, 3, 2, 2]), cam, chosen: ones([2, 1]) }).mean([1, 2, 3]);
    expect(left.toArray().map((value) => Number(value.toFixed(4)))).toEqual([0, 0.75]);
  });

  it("leaves images alone without a chosen class, and where the map is negative", () => {
    const { images, cam, chosen } = inputs();
    expect(
      eraseSoftly({ images, cam, chosen: zeros([3, 4]) })
        .sub(images)
        .abs()
        .max()
        .item(),
    ).toBe(0);
    const negative = eraseSoftly({ images, cam: cam.abs().neg(), chosen });
    expect(negative.sub(images).abs().max().item()).toBe(0);
  });

  it("has the gradient that differences give", () => {
    const { images, cam, chosen } = inputs();
    gradcheck((map) => eraseSoftly({ images, cam: map!, chosen }).mul(images).sum(), [cam.detach()]);
  });
});

describe("the hard erasure", () => {
  it.each(terms.hard)("erases the same pixels as the written-out one at $threshold", ({ threshold, erased }) => {
    const { images, cam, chosen } = inputs();
    const result = eraseHard({ images: images.abs().add(1), cam, chosen }, threshold);
    expect(result.requiresGrad).toBe(false);
    const gone = result.amax(1).flatten().toArray();
    expect(gone.flatMap((value, i) => (value === 0 ? [i] : []))).toEqual(erased);
  });

  it("divides by the largest value of each image, and keeps what it does not erase", () => {
    const cam = tensor([8, 1, 2, 1], { shape: [2, 1, 1, 2] });
    const images = ones([2, 3, 1, 2]).mul(0.5);
    const kept = eraseHard({ images, cam, chosen: ones([2, 1]) }, 0.4).select(1, 0);
    expect(kept.toArray()).toEqual([0, 0.5, 0, 0]);
  });

  it("erases nothing without a chosen class", () => {
    const { images, cam } = inputs();
    const kept = eraseHard({ images, cam, chosen: zeros([3, 4]) }, 0.2);
    expect(kept.sub(images).abs().max().item()).toBe(0);
  });
});

describe("the erasure loss", () => {
  const tags = tensor([
    [1, 1, 0],
    [0, 0, 0],
    [-1, -1, -1],
  ]);
  const chosen = tensor([
    [0, 1, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);

  it("is the classification loss with the other tags", () => {
    const logits = tensor([
      [2, -1, 0.5],
      [-3, 0, 1],
      [9, 9, 9],
    ]);
    const others = tensor([
      [1, 0, 0],
      [0, 0, 0],
      [-1, -1, -1],
    ]);
    for (const smoothing of [0, 0.1]) {
      const loss = erasureLoss(logits, { tags, chosen, smoothing });
      expect(loss.item()).toBe(classificationLoss(logits, others, { smoothing }).item());
    }
  });

  it("is lower where the erased class is not seen any more, and the others are", () => {
    const loss = (...first: number[]) =>
      erasureLoss(tensor([first, [0, 0, 0], [0, 0, 0]]), { tags, chosen, smoothing: 0 }).item();
    expect(loss(3, -3, -3)).toBeLessThan(loss(3, 3, -3));
    expect(loss(3, -3, -3)).toBeLessThan(loss(-3, -3, -3));
  });
});
