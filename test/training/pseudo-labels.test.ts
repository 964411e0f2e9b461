import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { cat, fromTypedArray, liveTensors, randint, scope, type Tensor, tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { pseudoLabels } from "../../src/training/pseudo-labels.ts";
import { double, unrolled } from "../losses/fixture.ts";
import { differing, pseudo } from "./pseudo-label-fixture.ts";

const cams = double(pseudo.cams_raw).to("float32");
const tags = double(pseudo.labels).to("float32");
const defaults = recipeSchema.parse({}).pseudo_labels;
/** As the reference does it. */
const authors = { ...defaults, normalise: "strided" } as const;
let pixels: Tensor;

beforeAll(async () => {
  const [height, width] = pseudo.size_hw;
  const decoded = pseudo.crf_images.map(async (file) => {
    const { data } = await sharp(new URL(`../golden/${file}`, import.meta.url).pathname)
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return fromTypedArray(new Uint8Array(data), [1, height, width, 3]);
  });
  pixels = cat(await Promise.all(decoded));
});

describe("pseudo-labels", () => {
  it.each(pseudo.cases)("equal the reference with thresholds $bg_threshold and $fg_threshold", (one) => {
    const options = { ...authors, background_threshold: one.bg_threshold, foreground_threshold: one.fg_threshold };
    const labels = pseudoLabels({ cams, tags, pixels, options });
    for (const b of [0, 1]) {
      const wrong = differing(labels.select(0, b).toArray(), unrolled(one.expected[b]!), one.ambiguous_pixels[b]);
      expect(wrong).toEqual([]);
    }
  });

  it("are background where the tags are known to be empty, and void where there are none", () => {
    const rows = tensor([
      [0, 0, 0, 0, 0, 0],
      [-1, -1, -1, -1, -1, -1],
    ]);
    const labels = pseudoLabels({ cams, tags: rows, pixels, options: defaults });
    expect(new Set(labels.select(0, 0).toArray())).toEqual(new Set([0]));
    expect(new Set(labels.select(0, 1).toArray())).toEqual(new Set([255]));
  });

  it("do not depend on the other images of the batch", () => {
    const rows = cat([
      tags,
      tensor([
        [0, 0, 0, 0, 0, 0],
        [-1, -1, -1, -1, -1, -1],
      ]),
    ]);
    const order = [2, 0, 3, 1];
    const index = tensor(BigInt64Array.from([0, 0, 1, 1], BigInt));
    const shuffled = tensor(BigInt64Array.from(order, BigInt));
    const labels = pseudoLabels({
      cams: cams.indexSelect(0, index),
      tags: rows.indexSelect(0, shuffled),
      pixels: pixels.indexSelect(0, index),
      options: defaults,
    });
    const alone = pseudoLabels({ cams, tags, pixels, options: defaults });
    expect(labels.select(0, 1).ne(alone.select(0, 0)).sum().item()).toBe(0);
    expect(labels.select(0, 3).ne(alone.select(0, 1)).sum().item()).toBe(0);
  });

  it("hold only the image's classes, background and void, whichever way they are made", () => {
    for (const crf_input of ["hard", "soft"] as const) {
      for (const crf_scale of [1, 0.5, 0.37]) {
        const labels = pseudoLabels({ cams, tags, pixels, options: { ...defaults, crf_input, crf_scale } });
        expect(labels.shape).toEqual([2, ...pseudo.size_hw]);
        expect([labels.dtype, labels.device]).toEqual(["uint8", "cpu"]);
        for (const b of [0, 1]) {
          const allowed = tags
            .select(0, b)
            .toArray()
            .flatMap((y, c) => (y > 0 ? [c + 1] : []));
          const found = new Set(labels.select(0, b).toArray());
          for (const label of found) expect([0, 255, ...allowed]).toContain(label);
          expect([...found].filter((label) => label > 0 && label < 255).length).toBeGreaterThan(0);
        }
      }
    }
  });

  it("made at half the resolution mostly agree with those made at full", () => {
    const full = pseudoLabels({ cams, tags, pixels, options: defaults });
    const half = pseudoLabels({ cams, tags, pixels, options: { ...defaults, crf_scale: 0.5 } });
    expect(full.eq(half).to("float32").mean().item()).toBeGreaterThan(0.8);
    // Nearest upsampling: blocks of two by two pixels have one label.
    const [height, width] = pseudo.size_hw;
    const blocks = half.reshape([2, height / 2, 2, width / 2, 2]);
    expect(
      blocks
        .amax([2, 4])
        .ne(blocks.amin([2, 4]))
        .sum()
        .item(),
    ).toBe(0);
  });

  it("leave less open the closer the thresholds are", () => {
    const open = (background_threshold: number) =>
      pseudoLabels({ cams, tags, pixels, options: { ...defaults, background_threshold } })
        .eq(255)
        .sum()
        .item();
    expect(open(0.35)).toBe(0);
    expect(open(0.05)).toBeGreaterThan(open(0.2));
  });

  it("change neither CAMs nor pixels and leave nothing else behind", () => {
    const noise = randint(0, 255, [2, 48, 64, 3]).to("uint8");
    const copies = [cams.clone(), noise.clone()];
    const before = liveTensors();
    scope(() => void pseudoLabels({ cams, tags, pixels: noise, options: defaults }));
    expect(liveTensors()).toBe(before);
    expect(copies[0]!.ne(cams).sum().item() + copies[1]!.ne(noise).sum().item()).toBe(0);
  });
});
