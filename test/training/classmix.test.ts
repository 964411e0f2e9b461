import { describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { arange, full, tensor } from "../../src/torch/index.ts";
import { chooseMix, drawPartners, mixPixels, mixTags } from "../../src/training/classmix.ts";

/** Three images of 1 × 6 pixels, classes 0..4. */
const labels = tensor([[[0, 1, 2, 3, 4, 255]], [[0, 0, 0, 255, 255, 255]], [[2, 2, 0, 0, 255, 2]]], { dtype: "uint8" });
const tags = tensor([
  [1, 1, 1, 1],
  [0, 0, 0, 0],
  [-1, -1, -1, -1],
]);

describe("who mixes with whom", () => {
  it("is drawn for each image by itself, never with itself", () => {
    const partners = drawPartners(4000, { probability: 0.5, scope: "image" }, new Rng(1));
    const mixed = partners.filter((partner) => partner !== null).length;
    expect(mixed).toBeGreaterThan(1900);
    expect(mixed).toBeLessThan(2100);
    expect(partners.some((partner, a) => partner === a)).toBe(false);
    expect(Math.max(...partners.map((partner) => partner ?? 0))).toBeGreaterThan(3900);
  });

  it("is decided once for the whole batch when the recipe says so", () => {
    const counts = Array.from(
      { length: 200 },
      (_, seed) =>
        drawPartners(8, { probability: 0.5, scope: "batch" }, new Rng(seed)).filter((partner) => partner !== null)
          .length,
    );
    expect(new Set(counts)).toEqual(new Set([0, 8]));
    expect(counts.filter((count) => count === 8).length).toBeGreaterThan(70);
  });

  it("is nobody at probability 0 and with a single image", () => {
    expect(drawPartners(3, { probability: 0, scope: "image" }, new Rng(1))).toEqual([null, null, null]);
    expect(drawPartners(1, { probability: 1, scope: "image" }, new Rng(1))).toEqual([null]);
  });

  it("is the same again after the generator's state is restored", () => {
    const rng = new Rng(5);
    rng.next();
    const state = rng.state();
    const options = { probability: 0.5, scope: "image" } as const;
    const before = drawPartners(16, options, rng);
    const again = new Rng(0);
    again.restore(state);
    expect(drawPartners(16, options, again)).toEqual(before);
  });
});

describe("ClassMix", () => {
  it("pastes half of the giving image's foreground classes, at least one, and never void or background", () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const mix = chooseMix(labels, [null, 0, 0], 5, new Rng(seed))!;
      const pasted = mix.pasted.select(0, 1).toArray();
      expect(pasted.reduce((sum, one) => sum + one, 0)).toBe(2); // 4 classes there
      expect(mix.mask.select(0, 1).toArray()).toEqual([0, ...pasted, 0]);
      seen.add(pasted.join());
    }
    expect(seen.size).toBe(6); // every pair of four occurs
    expect(chooseMix(labels, [2, null, null], 5, new Rng(1))!.mask.select(0, 0).toArray()).toEqual([1, 1, 0, 0, 0, 1]);
  });

  it("moves pixels, labels and tags together from the un-mixed sources", () => {
    const mix = chooseMix(labels, [2, 0, null], 5, new Rng(3))!;
    expect(mix.images).toBe(2);
    const images = arange(0, 36).reshape([3, 2, 1, 6]).to("float32");
    const mixedImages = mixPixels(images, mix);
    const mixedLabels = mixPixels(labels, mix).toArray();
    const mask = mix.mask.toArray();
    const source = [2, 0, 2];
    for (let b = 0; b < 3; b++) {
      for (let x = 0; x < 6; x++) {
        const from = mask[b * 6 + x] ? source[b]! : b;
        expect(mixedLabels[b * 6 + x]).toBe(labels.toArray()[from * 6 + x]);
        for (let c = 0; c < 2; c++) expect(mixedImages.toArray()[b * 12 + c * 6 + x]).toBe(from * 12 + c * 6 + x);
      }
    }
    const mixed = mixTags(tags, mix).toArray();
    expect(mixed.slice(0, 4)).toEqual([1, 1, 1, 1]);
    expect(mixed.slice(4, 8)).toEqual(mix.pasted.select(0, 1).toArray());
    expect(mixed.slice(8)).toEqual([-1, -1, -1, -1]);
  });

  it("leaves images without tags without tags, whatever they receive", () => {
    const mix = chooseMix(labels, [null, null, 0], 5, new Rng(1))!;
    expect(mixTags(tags, mix).select(0, 2).toArray()).toEqual([-1, -1, -1, -1]);
  });

  it("does nothing where the giving image has no foreground", () => {
    expect(chooseMix(labels, [1, null, 1], 5, new Rng(1))).toBeNull();
    expect(chooseMix(labels, [null, null, null], 5, new Rng(1))).toBeNull();
    expect(chooseMix(full([2, 1, 6], 255, { dtype: "uint8" }), [1, 0], 5, new Rng(1))).toBeNull();
    expect(mixPixels(labels, null)).toBe(labels);
    expect(mixTags(tags, null)).toBe(tags);
  });
});
