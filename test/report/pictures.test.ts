import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { RgbImage } from "../../src/data/types.ts";
import { classColour, heatPalette } from "../../src/report/colours.ts";
import { composeGrid } from "../../src/report/grid.ts";
import { dataUri, fitInside, jpegOf, overlayHeat, overlayLabels } from "../../src/report/pictures.ts";

function plain(width: number, height: number, ...rgb: [number, number, number]): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = rgb[i % 3]!;
  return { data, width, height };
}

const pixel = ({ data, width }: RgbImage, x: number, y: number) => [
  ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

async function pixelsOf(bytes: Uint8Array): Promise<RgbImage> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

describe("colours", () => {
  it("are those of the VOC map", () => {
    expect([0, 1, 8, 15, 20, 255].map(classColour)).toEqual([
      "#000000",
      "#800000",
      "#400000",
      "#c08080",
      "#004080",
      "#e0e0c0",
    ]);
  });

  it("of heat go from blue over green to red without jumps", () => {
    const heat = heatPalette();
    const at = (i: number) => [...heat.subarray(i * 3, i * 3 + 3)];
    const strongest = (i: number) => at(i).indexOf(Math.max(...at(i)));
    expect([30, 115, 220].map(strongest)).toEqual([2, 1, 0]);
    for (let i = 1; i < 256; i++) {
      for (let c = 0; c < 3; c++) expect(Math.abs(at(i)[c]! - at(i - 1)[c]!)).toBeLessThanOrEqual(8);
    }
  });
});

describe("label overlays", () => {
  const image = plain(6, 6, 100, 100, 100);

  it("darken background, colour classes, outline changes, and show ignored pixels without an outline", () => {
    const data = new Uint8Array(36);
    for (let y = 0; y < 6; y++) data.set([0, 0, 0, 8, 8, 255], y * 6);
    const drawn = overlayLabels(image, { data, width: 6, height: 6 });
    expect(pixel(drawn, 0, 3)).toEqual([55, 55, 55]);
    expect(pixel(drawn, 2, 3)).toEqual([245, 245, 245]);
    const [red, green, blue] = pixel(drawn, 3, 3) as [number, number, number];
    expect(red).toBe(Math.floor(64 * 0.92 + 40));
    expect([green, blue]).toEqual([40, 40]);
    expect(pixel(drawn, 4, 3)).toEqual([red, green, blue]);
    expect(pixel(drawn, 5, 3)[0]).toBeGreaterThan(pixel(drawn, 5, 3)[2]!);
  });

  it("refuse labels of another size", () => {
    expect(() => overlayLabels(image, { data: new Uint8Array(4), width: 2, height: 2 })).toThrow("6×6");
  });
});

describe("heat maps", () => {
  it("are cold where nothing is active and hot where any class is", async () => {
    const image = plain(8, 4, 90, 90, 90);
    const maps = Float32Array.of(0, 0, 0, 1, /* second class */ 0, 0, 0, 0.2);
    const drawn = await overlayHeat(image, { scores: maps, width: 4, height: 1 });
    const [cold, hot] = [pixel(drawn, 0, 2), pixel(drawn, 7, 2)] as [number[], number[]];
    expect(cold[2]).toBeGreaterThan(cold[0]!);
    expect(hot[0]).toBeGreaterThan(hot[2]!);
  });

  it("take scores outside 0…1 and images without maps", async () => {
    const image = plain(2, 2, 90, 90, 90);
    const wild = await overlayHeat(image, { scores: Float32Array.of(-5, 5), width: 2, height: 1 });
    expect(pixel(wild, 1, 0)[0]).toBeGreaterThan(pixel(wild, 0, 0)[0]!);
    const none = await overlayHeat(image, { scores: new Float32Array(0), width: 2, height: 2 });
    expect(new Set(pixel(none, 0, 0))).toEqual(new Set(pixel(none, 1, 1)));
  });
});

describe("grids", () => {
  it("put every cell in its place, in its own shape, on white", async () => {
    const rows = [
      [plain(40, 20, 200, 0, 0), plain(10, 20, 0, 200, 0)],
      [null, plain(20, 20, 0, 0, 200)],
    ];
    const sheet = await pixelsOf(await composeGrid({ titles: ["a", "b & c"], rows, cellWidth: 80 }, "png"));
    const [gap, title] = [4, 10];
    expect([sheet.width, sheet.height]).toEqual([2 * (80 + gap) + gap, title + 100 + gap + 80 + gap]);
    // A wide image is centred in the height of its row, an upright one in the width of its column.
    expect(pixel(sheet, gap + 40, title + 50)).toEqual([200, 0, 0]);
    expect(pixel(sheet, gap + 40, title + 5)).toEqual([255, 255, 255]);
    expect(pixel(sheet, gap + 84 + 40, title + 50)).toEqual([0, 200, 0]);
    expect(pixel(sheet, gap + 84 + 2, title + 50)).toEqual([255, 255, 255]);
    expect(pixel(sheet, gap + 40, title + 100 + gap + 40)).toEqual([255, 255, 255]);
    expect(pixel(sheet, gap + 84 + 40, title + 100 + gap + 40)).toEqual([0, 0, 200]);
  });

  it("become JPEGs that a page can hold", async () => {
    const jpeg = await jpegOf(plain(900, 300, 10, 120, 240), 300);
    expect((await pixelsOf(jpeg)).width).toBe(300);
    expect(dataUri(jpeg)).toMatch(/^data:image\/jpeg;base64,\/9j\//);
    const small = plain(5, 5, 1, 2, 3);
    expect(await fitInside(small, 10)).toBe(small);
    expect((await fitInside(plain(50, 20, 1, 2, 3), 10)).height).toBe(4);
  });
});
