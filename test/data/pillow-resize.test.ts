/** Resizing of photographs against Pillow. */
import { describe, expect, it } from "vitest";
import { imageTensor, type PillowFilter, resizeImage } from "../../src/data/pillow-resize.ts";
import { scope } from "../../src/torch/index.ts";
import { readGolden } from "../helpers/golden.ts";

interface Picture {
  shape: [number, number, number];
  data: number[];
}

const { shape, data, ...resized } = readGolden<Picture & Record<PillowFilter, Picture[]>>("pillow-resize");
const picture: Picture = { shape, data };
const cases = (["bicubic", "bilinear"] as const).flatMap((filter) => resized[filter].map((want) => ({ filter, want })));

function levelsOf({ shape: [height, width], data }: Picture, size: [number, number], filter?: PillowFilter): number[] {
  return scope(() => {
    const image = imageTensor({ data: Uint8Array.from(data), width, height });
    return resizeImage(image, size, filter).permute([0, 2, 3, 1]).contiguous().toArray();
  });
}

describe("resizing a photograph", () => {
  it.each(cases)("is Pillow's $filter, at size $want.shape", ({ filter, want }) => {
    const got = levelsOf(picture, [want.shape[0], want.shape[1]], filter);
    const off = got.map((level, i) => Math.abs(level - want.data[i]!)).filter((difference) => difference > 0);
    // Pillow computes in fixed point: a level that lies half-way, as many do at a ratio of small numbers, may come out one apart.
    expect(Math.max(0, ...off)).toBeLessThanOrEqual(1);
    expect(off.length).toBeLessThanOrEqual(want.data.length / 20);
  });

  it("changes nothing at the same size", () => {
    expect(levelsOf(picture, [9, 13])).toEqual(picture.data);
  });

  it("refuses pixels that do not fit the size", () => {
    expect(() => imageTensor({ data: new Uint8Array(10), width: 2, height: 2 })).toThrow("2 × 2 × 3 bytes");
  });
});
