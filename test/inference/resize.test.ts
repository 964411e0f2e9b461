/** Resizing of photographs against Pillow, and the size that the network sees. */
import { describe, expect, it } from "vitest";
import { imageTensor, inputSize, resizeImage, type Size, scaledSize } from "../../src/inference/resize.ts";
import { scope } from "../../src/torch/index.ts";
import { readGolden } from "../helpers/golden.ts";

interface Picture {
  shape: [number, number, number];
  data: number[];
}

const { resized, ...picture } = readGolden<Picture & { resized: Picture[] }>("pillow-bicubic");

function levelsOf({ shape: [height, width], data }: Picture, size: Size): number[] {
  return scope(() => {
    const image = imageTensor({ data: Uint8Array.from(data), width, height });
    return resizeImage(image, size).permute([0, 2, 3, 1]).contiguous().toArray();
  });
}

describe("resizing a photograph", () => {
  it.each(resized)("is Pillow's bicubic filter, at size $shape", ({ shape: [height, width], data }) => {
    const got = levelsOf(picture, [height, width]);
    const off = got.map((level, i) => Math.abs(level - data[i]!)).filter((difference) => difference > 0);
    // Pillow computes in fixed point: a level that lies half-way may come out one apart.
    expect(Math.max(0, ...off)).toBeLessThanOrEqual(1);
    expect(off.length).toBeLessThanOrEqual(data.length / 100);
  });

  it("changes nothing at the same size", () => {
    expect(levelsOf(picture, [9, 13])).toEqual(picture.data);
  });

  it("refuses pixels that do not fit the size", () => {
    expect(() => imageTensor({ data: new Uint8Array(10), width: 2, height: 2 })).toThrow("2 × 2 × 3 bytes");
  });
});

describe("the network's input", () => {
  it("has the image's size, a fixed one, or one that fits a longest side", () => {
    expect(inputSize([375, 500], "original")).toEqual([375, 500]);
    expect(inputSize([375, 500], [256, 256])).toEqual([256, 256]);
    expect(inputSize([375, 500], { longest: 250 })).toEqual([188, 250]);
  });

  it("is never enlarged to a longest side", () => {
    expect(inputSize([30, 40], { longest: 512 })).toEqual([30, 40]);
  });

  it("has at least one pixel at any scale", () => {
    expect(scaledSize([1, 3], 0.25)).toEqual([1, 1]);
    expect(() => scaledSize([10, 10], 0)).toThrow("a positive number for a scale");
  });
});
