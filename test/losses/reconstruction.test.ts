import { describe, expect, it } from "vitest";
import { reconstructionLoss } from "../../src/losses/reconstruction.ts";
import { gradcheck, tensor, zeros } from "../../src/torch/index.ts";
import { expectClose, expectGradient } from "./fixture.ts";
import { inputs, terms } from "./starts.ts";

describe("the reconstruction loss", () => {
  it("equals the written-out one, its gradients to both maps included", () => {
    const { cam, pieces, tags } = inputs();
    const loss = reconstructionLoss(cam, pieces, tags);
    expectClose(loss, terms.reconstruction.loss, 1e-12);
    expectGradient(loss, cam, terms.reconstruction.grad_cam);
    expectGradient(reconstructionLoss(cam, pieces, tags), pieces, terms.reconstruction.grad_pieces);
  });

  it("equals a value worked out by hand: absent classes count as 0, but are counted", () => {
    const whole = tensor([1, 2, 3, 4], { shape: [1, 2, 1, 2] });
    const pieces = tensor([2, 5, 9, 9], { shape: [1, 2, 1, 2] });
    expect(reconstructionLoss(whole, pieces, tensor([[1, 0]])).item()).toBe(1);
    expect(reconstructionLoss(whole, pieces, tensor([[1, 1]])).item()).toBe(3.75);
  });

  it("is 0 for equal maps, and where no image has a tag or any tags", () => {
    const { cam, pieces } = inputs();
    expect(reconstructionLoss(cam, cam.detach(), tensor([1, 1, 1, 1]).expand([3, 4])).item()).toBe(0);
    for (const value of [0, -1]) {
      expect(reconstructionLoss(cam, pieces, zeros([3, 4]).add(value)).item()).toBe(0);
    }
  });

  it("has the gradient that differences give", () => {
    const { cam, pieces, tags } = inputs();
    gradcheck((a, b) => reconstructionLoss(a!, b!, tags), [cam.detach(), pieces.detach()]);
  });

  it("is not computed in half precision", () => {
    const { cam, pieces, tags } = inputs();
    const half = reconstructionLoss(cam.to("bfloat16"), pieces.to("bfloat16"), tags.to("float32"));
    expect(half.dtype).toBe("float32");
  });
});
