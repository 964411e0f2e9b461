import { describe, expect, it } from "vitest";
import { segmentationLoss, tagSegmentationLoss } from "../../src/losses/segmentation.ts";
import { full, grad, gradcheck, randn, tensor } from "../../src/torch/index.ts";
import { double, expectClose, expectGradient, integers, losses } from "./fixture.ts";

const small = tensor(
  [
    [
      [
        [1, 2],
        [0, -1],
      ],
      [
        [0, 0.5],
        [1, 3],
      ],
      [
        [-1, 0],
        [0.2, 0.3],
      ],
    ],
  ],
  { dtype: "float64" },
);
const smallLabels = tensor(
  [
    [
      [0, 1],
      [255, 2],
    ],
  ],
  { dtype: "int64" },
);

describe("the segmentation loss", () => {
  const { pseudo_label_ce: golden } = losses;
  const withGradient = golden.cases.filter((one) => one.grad);

  it.each(withGradient)(
    "equals the reference on $target, smoothing $smoothing, dropping $drop_samples_without_foreground",
    (one) => {
      const logits = double(golden.logits).requiresGrad_();
      const options = { smoothing: one.smoothing, dropWithoutForeground: one.drop_samples_without_foreground };
      const loss = segmentationLoss(logits, integers(golden.targets[one.target]!), options);
      expectClose(loss, one.loss);
      expectGradient(loss, logits, one.grad!);
    },
  );

  it("does not change by dropping when every image has foreground", () => {
    const target = "all_samples_have_foreground";
    const labels = integers(golden.targets[target]!);
    for (const one of golden.cases.filter((each) => each.target === target)) {
      expectClose(
        segmentationLoss(double(golden.logits), labels, { smoothing: one.smoothing, dropWithoutForeground: true }),
        one.loss,
      );
    }
  });

  it("equals a value worked out by hand", () => {
    expectClose(segmentationLoss(small, smallLabels), 1.6653408, 1e-6);
    expectClose(segmentationLoss(small, smallLabels, { smoothing: 0.1 }), 1.6720074, 1e-6);
  });

  it("has the gradient that differences give", () => {
    gradcheck((logits) => segmentationLoss(logits, smallLabels, { smoothing: 0.1 }), [small]);
  });

  it("is lower for logits that agree with the labels, whatever stands at void pixels", () => {
    const labels = tensor([[[1, 255]]], { dtype: "uint8" });
    const loss = (first: number, second: number) =>
      segmentationLoss(tensor([[[[-first, second]], [[first, -second]]]]), labels).item();
    expect(loss(2, 0)).toBeLessThan(loss(0, 0));
    expect(loss(0, 0)).toBeLessThan(loss(-2, 0));
    expect(loss(1, 9)).toBe(loss(1, -9));
  });

  it("is 0 with a gradient of 0 when all pixels are uncertain", () => {
    const logits = randn([2, 3, 4, 4]).requiresGrad_();
    const loss = segmentationLoss(logits, full([2, 4, 4], 255, { dtype: "uint8" }), { smoothing: 0.1 });
    expect(loss.item()).toBe(0);
    expect(grad([loss], [logits])[0]!.abs().sum().item()).toBe(0);
  });
});

describe("the segmentation loss over the tags' classes", () => {
  it("equals a cross-entropy over the background and the tagged classes alone", () => {
    const both = tagSegmentationLoss(
      small,
      tensor(
        [
          [
            [0, 2],
            [255, 2],
          ],
        ],
        { dtype: "uint8" },
      ),
      tensor([[0, 1]]),
    );
    const kept = small.indexSelect(1, tensor([0, 2], { dtype: "int64" }));
    expectClose(
      both,
      segmentationLoss(
        kept,
        tensor(
          [
            [
              [0, 1],
              [255, 1],
            ],
          ],
          { dtype: "uint8" },
        ),
      ).item(),
    );
  });

  it("sends no gradient to classes outside the tags, and the one that differences give to the others", () => {
    const labels = tensor(
      [
        [
          [0, 2],
          [255, 2],
        ],
      ],
      { dtype: "uint8" },
    );
    const logits = small.clone().requiresGrad_();
    const gradient = grad([tagSegmentationLoss(logits, labels, tensor([[0, 1]]))], [logits])[0]!;
    expect(gradient.select(1, 1).abs().sum().item()).toBe(0);
    expect(gradient.select(1, 2).abs().sum().item()).toBeGreaterThan(0);
    gradcheck((x) => tagSegmentationLoss(x, labels, tensor([[0, 1]])), [small]);
  });

  it("leaves out images without tags and pixels whose label the tags rule out", () => {
    const labels = tensor(
      [
        [
          [0, 1],
          [255, 2],
        ],
      ],
      { dtype: "uint8" },
    );
    expect(tagSegmentationLoss(small, labels, tensor([[-1, -1]])).item()).toBe(0);
    const withoutOne = tagSegmentationLoss(small, labels, tensor([[0, 1]]));
    expectClose(
      withoutOne,
      tagSegmentationLoss(
        small,
        tensor(
          [
            [
              [0, 255],
              [255, 2],
            ],
          ],
          { dtype: "uint8" },
        ),
        tensor([[0, 1]]),
      ).item(),
    );
  });
});
