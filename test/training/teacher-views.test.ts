import { beforeEach, describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { entropy } from "../../src/losses/entropy.ts";
import { resizeBilinear } from "../../src/losses/functional.ts";
import { liveTensors, manualSeed, randint, randn, scope, tensor } from "../../src/torch/index.ts";
import { chooseMix, mixPixels, mixTags } from "../../src/training/classmix.ts";
import { mixedTeacherLabels, upsampledEntropy } from "../../src/training/teacher-views.ts";

const size = [16, 12] as const;

describe("the teacher's labels on mixed images", () => {
  beforeEach(() => manualSeed(2));

  it("are those of its full-resolution logits, mixed like the images and limited to the mixed tags", () => {
    const logits = randn([3, 4, 4, 3]);
    const pseudo = randint(0, 4, [3, 16, 12]).to("uint8");
    const mix = chooseMix(pseudo, [2, null, 0], 4, new Rng(1))!;
    const tags = mixTags(
      tensor([
        [1, 0, 0],
        [0, 0, 0],
        [-1, -1, -1],
      ]),
      mix,
    );
    const { labels, confidence } = mixedTeacherLabels(logits, tags, mix, size);

    // Step by step as the method says: softmax, times the tags, scaled to 1, largest entry.
    const mixed = mixPixels(resizeBilinear(logits, size), mix).softmax(1);
    const allowed = tags.ne(0).to("float32");
    const masked = mixed.clone();
    for (let c = 1; c < 4; c++) masked.select(1, c).mul_(allowed.select(1, c - 1).reshape([3, 1, 1]));
    const [wantedConfidence, wantedLabels] = masked.div(masked.sum(1, true)).maxAlong(1);
    expect(labels.toArray()).toEqual(wantedLabels.toArray());
    expect(confidence.sub(wantedConfidence).abs().max().item()).toBeLessThan(1e-5);
    expect(labels.select(0, 1).max().item()).toBe(0);
  });

  it("do not need a mix", () => {
    const logits = randn([2, 3, 4, 4]);
    const { labels } = mixedTeacherLabels(
      logits,
      tensor([
        [1, 1],
        [1, 1],
      ]),
      null,
      [4, 4],
    );
    expect(labels.toArray()).toEqual(logits.argmax(1).toArray());
  });

  it("come out the same when there are so many pixels that images are taken in blocks", () => {
    const logits = randn([3, 5, 2, 2]);
    const large = [1800, 1900] as const; // one image a block
    const labels = scope(
      () =>
        mixedTeacherLabels(
          logits,
          tensor([
            [1, 1, 1, 1],
            [0, 1, 0, 1],
            [1, 0, 0, 0],
          ]),
          null,
          large,
        ).labels,
    );
    const third = scope(() => mixedTeacherLabels(logits.narrow(0, 2, 1), tensor([[1, 0, 0, 0]]), null, large).labels);
    expect(labels.select(0, 2).ne(third.squeeze(0)).sum().item()).toBe(0);
    expect(labels.shape).toEqual([3, 1800, 1900]);
  });

  it("leave nothing else behind", () => {
    const logits = randn([2, 3, 4, 4]);
    const tags = tensor([
      [1, 1],
      [1, 1],
    ]);
    const before = liveTensors();
    scope(() => {
      mixedTeacherLabels(logits, tags, null, size);
      upsampledEntropy(logits, size);
    });
    expect(liveTensors()).toBe(before);
  });
});

describe("the upsampled entropy", () => {
  it("is that of the upsampled logits", () => {
    const logits = randn([2, 3, 4, 4]);
    const wanted = entropy(resizeBilinear(logits, size).softmax(1));
    expect(upsampledEntropy(logits, size).sub(wanted).abs().max().item()).toBe(0);
    expect(upsampledEntropy(logits.narrow(0, 0, 0), size).numel).toBe(0);
  });
});
