import { describe, expect, test } from "vitest";
import { medianFiltered } from "../../../src/refine/masks/median.ts";
import { readGolden } from "../../helpers/golden.ts";

interface Case {
  size_hw: [number, number];
  side: number;
  image: number[];
  filtered: number[];
}

const { medians } = readGolden<{ medians: Case[] }>("felzenszwalb");

describe("medianFiltered", () => {
  test.each(medians)(
    "gives SciPy's median of $side × $side pixels",
    ({ size_hw: [height, width], side, ...pixels }) => {
      const found = medianFiltered({ data: Uint8Array.from(pixels.image), width, height }, side);
      expect([...found.data]).toEqual(pixels.filtered);
      expect(found.data).not.toEqual(Uint8Array.from(pixels.image));
    },
  );

  test("takes what is narrower than half the square away and leaves straight outlines where they are", () => {
    const [width, height] = [30, 20];
    const level = (x: number, y: number) => (y === 10 && x < 8 ? 255 : x < 15 ? 40 : 200);
    const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return level(pixel % width, Math.floor(pixel / width));
    });
    const found = medianFiltered({ data, width, height }, 5).data;
    const wanted = Array.from({ length: found.length }, (_, i) => level(Math.floor(i / 3) % width, 0));
    expect([...found]).toEqual(wanted);
  });

  test("a side of 1 leaves the picture as it is", () => {
    const image = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), width: 2, height: 1 };
    expect(medianFiltered(image, 1)).toEqual(image);
  });

  test("takes pictures smaller than the square", () => {
    expect([...medianFiltered({ data: Uint8Array.of(9, 8, 7), width: 1, height: 1 }, 7).data]).toEqual([9, 8, 7]);
  });
});
