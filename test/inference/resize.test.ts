/** The size that the network sees. */
import { describe, expect, it } from "vitest";
import { inputSize, scaledSize } from "../../src/inference/resize.ts";

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
