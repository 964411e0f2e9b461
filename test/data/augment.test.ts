import { describe, expect, it } from "vitest";
import { augmentDefaults, drawAugmentation, plainly, planImage, writePixels } from "../../src/data/augment.ts";
import type { ImagePlan } from "../../src/data/image.ts";
import { recolour } from "../../src/data/recolour.ts";
import { Rng } from "../../src/data/rng.ts";
import { coordinates } from "./fixture.ts";

const reds = (pixels: Uint8Array, width: number, row = 0) =>
  Array.from({ length: width }, (_, x) => pixels[(row * width + x) * 3]!);

describe("writePixels", () => {
  const write = (size: [number, number], place: [number, number], flip = false) => {
    const out = new Uint8Array(place[0] * place[1] * 3);
    writePixels(coordinates(size[1], size[0]), out, { height: place[0], width: place[1], flip });
    return out;
  };

  it("mirrors at right and bottom without repeating the edge, as often as needed", () => {
    const out = write([2, 3], [5, 8]);
    expect(reds(out, 8)).toEqual([0, 1, 2, 1, 0, 1, 2, 1]);
    const greens = [0, 1, 2, 3, 4].map((y) => out[y * 24 + 1]);
    expect(greens).toEqual([0, 1, 0, 1, 0]);
  });

  it("repeats a side of one pixel", () => {
    expect(reds(write([1, 1], [3, 4]), 4, 2)).toEqual([0, 0, 0, 0]);
  });

  it("flips after padding", () => {
    expect(reds(write([1, 3], [1, 5], true), 5)).toEqual([0, 1, 2, 1, 0]);
    expect(reds(write([1, 4], [1, 6], true), 6)).toEqual([1, 2, 3, 2, 1, 0]);
    expect(reds(write([2, 4], [2, 4], true), 4, 1)).toEqual([3, 2, 1, 0]);
  });

  it("copies what already fits", () => {
    expect(write([3, 4], [3, 4])).toEqual(coordinates(4, 3).data);
  });
});

describe("planImage", () => {
  const settings = { height: 64, width: 48, draws: { scale: 0.75, across: 0, down: 0 } };
  const plan = (width: number, height: number, draws = {}) => {
    const make = planImage({ ...settings, crop: "scale_crop", draws: { ...settings.draws, ...draws } });
    return (make as (original: { width: number; height: number }) => ImagePlan)({ width, height });
  };

  it("resizes to the batch's size whatever the picture's", () => {
    expect(planImage({ ...settings, crop: "resize" })).toEqual({ width: 48, height: 64, kernel: "cubic" });
  });

  it("scales by the drawn factor, rounded down, and cuts no more than the batch's size", () => {
    expect(plan(101, 55)).toEqual({
      width: 75,
      height: 41,
      kernel: "linear",
      crop: { left: 0, top: 0, width: 48, height: 41 },
    });
    expect(plan(1, 1)).toMatchObject({ width: 1, height: 1 });
  });

  it("lets the cut reach both ends of its free play, never beyond", () => {
    const end = 1 - 2 ** -53;
    expect(plan(200, 200, { across: 0, down: 0 }).crop).toMatchObject({ left: 0, top: 0 });
    expect(plan(200, 200, { across: end, down: end }).crop).toMatchObject({ left: 150 - 48, top: 150 - 64 });
    expect(plan(40, 40, { across: end, down: end }).crop).toMatchObject({ left: 0, top: 0, width: 30, height: 30 });
  });
});

describe("drawAugmentation", () => {
  const augment = { ...augmentDefaults, crop: "scale_crop", scale: [0.5, 2], flip: 0.25 } as const;
  const draws = Array.from({ length: 4000 }, (_, i) => drawAugmentation(new Rng("draws", i), augment));

  it("flips with the given probability and draws factors over the whole range", () => {
    expect(draws.filter((draw) => draw.flip).length / 4000).toBeCloseTo(0.25, 1);
    const scales = draws.map((draw) => draw.scale);
    expect(Math.min(...scales)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...scales)).toBeLessThan(2);
    expect(scales.reduce((sum, scale) => sum + scale, 0) / 4000).toBeCloseTo(1.25, 1);
  });

  it("draws the same flips in both crop modes", () => {
    const other = Array.from({ length: 50 }, (_, i) =>
      drawAugmentation(new Rng("draws", i), { ...augment, crop: "resize" }),
    );
    expect(other).toEqual(draws.slice(0, 50));
  });

  it("blurs as often as asked for, by radii over the whole range, and moves no other draw", () => {
    const blur = { probability: 0.5, radius: [0.15, 1.15] } as const;
    const jitter = { ...augmentDefaults.jitter, probability: 0.8 };
    const more = draws.map((_, i) => drawAugmentation(new Rng("draws", i), { ...augment, blur, jitter }));
    expect(more.map(({ flip, scale, across, down }) => [flip, scale, across, down])).toEqual(
      draws.map(({ flip, scale, across, down }) => [flip, scale, across, down]),
    );
    expect(draws.every((draw) => draw.blur === 0 && draw.colours.length === 0)).toBe(true);
    const radii = more.map((draw) => draw.blur).filter((radius) => radius > 0);
    expect(Math.abs(radii.length / 4000 - 0.5)).toBeLessThan(0.025);
    expect(Math.min(...radii)).toBeGreaterThanOrEqual(0.15);
    expect(Math.max(...radii)).toBeLessThan(1.15);
    expect(Math.abs(radii.reduce((sum, radius) => sum + radius, 0) / radii.length - 0.65)).toBeLessThan(0.02);
    const both = more.filter((draw) => draw.blur > 0 && draw.colours.length > 0).length;
    expect(Math.abs(both / 4000 - 0.4)).toBeLessThan(0.025);
  });
});

describe("recolour", () => {
  const draws = { colours: [{ kind: "brightness", amount: 0.5 } as const], blur: 1 };

  it("changes colours, then blurs", async () => {
    const pixels = Uint8Array.from({ length: 5 * 5 * 3 }, (_, i) => (i * 53) % 256);
    const [both, first, second] = [pixels.slice(), pixels.slice(), pixels.slice()];
    await recolour(both, { height: 5, width: 5, draws });
    await recolour(first, { height: 5, width: 5, draws: { ...draws, blur: 0 } });
    await recolour(first, { height: 5, width: 5, draws: { ...draws, colours: [] } });
    expect(both).toEqual(first);
    await recolour(second, { height: 5, width: 5, draws: { colours: [], blur: 0 } });
    expect(second).toEqual(pixels);
  });

  it("gives the mirror image of what it gives for the mirror image", async () => {
    const picture = coordinates(7, 6, 90);
    const at = async (flip: boolean) => {
      const out = new Uint8Array(7 * 6 * 3);
      writePixels(picture, out, { height: 6, width: 7, flip });
      await recolour(out, { height: 6, width: 7, draws });
      return reds(out, 7, 3);
    };
    expect(await at(true)).toEqual((await at(false)).reverse());
  });
});

describe("plainly", () => {
  it("switches every change off", () => {
    const plain = plainly({
      crop: "scale_crop",
      scale: [0.5, 2],
      flip: 1,
      jitter: { ...augmentDefaults.jitter, probability: 1 },
      blur: { probability: 1, radius: [1, 2] },
    });
    const draws = Array.from({ length: 20 }, (_, i) => drawAugmentation(new Rng(i), plain));
    for (const draw of draws) expect(draw).toMatchObject({ flip: false, scale: 1, colours: [], blur: 0 });
  });
});
