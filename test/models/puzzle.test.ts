import { describe, expect, it } from "vitest";
import { cutIntoTiles, joinTiles } from "../../src/models/puzzle.ts";
import { arange, gradcheck, randn } from "../../src/torch/index.ts";

describe("tiles", () => {
  it("come row by row, each for all images before the next", () => {
    const x = arange(0, 32).reshape([2, 1, 4, 4]);
    const tiles = cutIntoTiles(x, 2);
    expect(tiles.shape).toEqual([8, 1, 2, 2]);
    const corners = Array.from({ length: 8 }, (_, i) => tiles.select(0, i).toArray()[0]);
    // Top left of both images, top right, bottom left, bottom right.
    expect(corners).toEqual([0, 16, 2, 18, 8, 24, 10, 26]);
  });

  it.each([2, 3])("put together again are the whole, %i along a side", (count) => {
    const x = randn([2, 3, 4 * count, 5 * count]);
    expect(joinTiles(cutIntoTiles(x, count), count).sub(x).abs().max().item()).toBe(0);
  });

  it("let gradients through both ways", () => {
    gradcheck((x) => joinTiles(cutIntoTiles(x, 2).mul(2), 2).mul(x).sum(), [randn([1, 2, 4, 4], { dtype: "float64" })]);
  });

  it("refuse sizes that do not divide", () => {
    expect(() => cutIntoTiles(randn([1, 3, 5, 4]), 2)).toThrow(/multiple of 2 for height and width.*5 × 4/);
    expect(() => joinTiles(randn([6, 1, 2, 2]), 2)).toThrow(/multiple of 4 tiles/);
  });
});
