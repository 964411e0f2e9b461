import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { cut, enlarge } from "../../src/data/enlarge.ts";
import { decodeImage } from "../../src/data/image.ts";
import type { RgbImage } from "../../src/data/types.ts";
import { coordinates } from "./fixture.ts";

const golden = (name: string) => fileURLToPath(new URL(`../golden/resize-${name}.png`, import.meta.url));

/** Largest difference of two pictures, `border` pixels at the edges left out. */
function difference(a: RgbImage, b: RgbImage, border: number): number {
  expect([a.width, a.height]).toEqual([b.width, b.height]);
  let worst = 0;
  for (let y = border; y < a.height - border; y++) {
    for (let i = (y * a.width + border) * 3; i < ((y + 1) * a.width - border) * 3; i++) {
      worst = Math.max(worst, Math.abs(a.data[i]! - b.data[i]!));
    }
  }
  return worst;
}

describe("resizing", () => {
  it.each([
    ["both sides up", 64, 64],
    ["one side up, one down", 25, 40],
    ["both sides down", 20, 14],
  ] as const)("equals Pillow's but for rounding, %s", async (_, width, height) => {
    for (const kernel of ["linear", "cubic"] as const) {
      const plan = { width, height, kernel };
      const ours = await decodeImage(golden("source"), { plan });
      const theirs = await decodeImage(golden(`${kernel}-${width}x${height}`));
      expect(difference(ours, theirs, 2)).toBeLessThanOrEqual(4);
      // At the edges a shrinking filter of Pillow leaves out what lies outside; here the edge is repeated.
      expect(difference(ours, theirs, 0)).toBeLessThanOrEqual(24);
    }
  });

  it("and mirroring can be exchanged, whichever sides grow", async () => {
    const source = await decodeImage(golden("source"));
    const flip = (image: RgbImage) => {
      const data = new Uint8Array(image.data.length);
      for (let i = 0; i < image.width * image.height; i++) {
        const from = i - (i % image.width) + image.width - 1 - (i % image.width);
        data.set(image.data.subarray(from * 3, from * 3 + 3), i * 3);
      }
      return { ...image, data };
    };
    for (const target of [
      { width: 57, height: 28 },
      { width: 97, height: 91 },
    ] as const) {
      const straight = await enlarge(source, { ...target, kernel: "cubic" });
      const mirrored = await enlarge(flip(source), { ...target, kernel: "cubic" });
      expect(difference(flip(mirrored), straight, 0)).toBeLessThanOrEqual(8);
    }
  });
});

describe("enlarge", () => {
  it("puts pixel centres where they belong: a ramp stays a ramp, held at both ends", async () => {
    const ramp = coordinates(100, 20);
    const { data } = await enlarge(ramp, { width: 250, height: 70, kernel: "linear" });
    for (let x = 0; x < 250; x++) {
      const exact = Math.min(99, Math.max(0, (x + 0.5) / 2.5 - 0.5));
      expect(Math.abs(data[(35 * 250 + x) * 3]! - exact)).toBeLessThanOrEqual(1);
    }
    for (let y = 0; y < 70; y++) {
      const exact = Math.min(19, Math.max(0, (y + 0.5) / 3.5 - 0.5));
      expect(Math.abs(data[(y * 250 + 7) * 3 + 1]! - exact)).toBeLessThanOrEqual(1);
    }
  });

  it("makes a region as it makes the whole", async () => {
    const source = await decodeImage(golden("source"));
    for (const kernel of ["linear", "cubic"] as const) {
      const whole = await enlarge(source, { width: 111, height: 30, kernel });
      for (const region of [
        { left: 0, top: 0, width: 1, height: 1 },
        { left: 33, top: 7, width: 50, height: 20 },
        { left: 100, top: 29, width: 11, height: 1 },
      ]) {
        const part = await enlarge(source, { width: 111, height: 30, kernel, region });
        expect(difference(part, cut(whole, region), 0)).toBeLessThanOrEqual(2);
      }
    }
  });

  it("spreads the only row of a picture", async () => {
    const { data } = await enlarge(coordinates(2, 1), { width: 2, height: 5, kernel: "cubic" });
    for (let y = 0; y < 5; y++) expect([data[y * 6], data[y * 6 + 3]]).toEqual([0, 1]);
  });
});

describe("cut", () => {
  it("repeats edges beyond the picture", () => {
    const { data } = cut(coordinates(3, 2), { left: -2, top: -1, width: 7, height: 4 });
    const grid = (channel: number) =>
      [0, 1, 2, 3].map((y) => [0, 1, 2, 3, 4, 5, 6].map((x) => data[(y * 7 + x) * 3 + channel]));
    expect(grid(0)).toEqual(new Array(4).fill([0, 0, 0, 1, 2, 2, 2]));
    expect(grid(1).map((row) => row[3])).toEqual([0, 0, 1, 1]);
  });
});
