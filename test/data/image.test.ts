import { chmodSync, readFileSync } from "node:fs";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeImage, imageSize } from "../../src/data/image.ts";
import { CsrmError } from "../../src/errors.ts";
import { coordinates, Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const flat = (width: number, height: number, colour: number[]) =>
  Uint8Array.from({ length: width * height * colour.length }, (_, i) => colour[i % colour.length]!);

describe("decodeImage", () => {
  it("returns the pixels of a lossless picture as they are", async () => {
    const picture = coordinates(5, 3, 9);
    const image = await decodeImage(await scratch.picture("a.png", picture));
    expect({ ...image, data: new Uint8Array(image.data) }).toEqual(picture);
  });

  it.each(["gray.jpg", "gray.png", "gray.webp", "gray.tif"])("makes three equal channels of %s", async (name) => {
    const path = scratch.path(name);
    const raw = { raw: { width: 6, height: 4, channels: 1 as const } };
    await sharp(flat(6, 4, [130]), raw)
      .toColourspace("b-w")
      .toFile(path);
    const image = await decodeImage(path);
    expect([image.width, image.height, image.data.length]).toEqual([6, 4, 72]);
    for (const value of image.data) expect(Math.abs(value - 130)).toBeLessThanOrEqual(1);
  });

  it("cuts 16-bit samples to 8", async () => {
    for (const [space, channels] of [
      ["grey16", 1],
      ["rgb16", 3],
    ] as const) {
      const path = scratch.path(`${space}.png`);
      const data = Uint16Array.from({ length: 4 * channels }, () => 0x8123);
      await sharp(data, { raw: { width: 2, height: 2, channels } })
        .toColourspace(space)
        .toFile(path);
      expect((await sharp(path).metadata()).depth).toBe("ushort");
      expect([...(await decodeImage(path)).data]).toEqual(new Array(12).fill(0x81));
    }
  });

  it("converts CMYK", async () => {
    const path = scratch.path("cmyk.jpg");
    await sharp(flat(16, 16, [200, 30, 30]), { raw: { width: 16, height: 16, channels: 3 } })
      .toColourspace("cmyk")
      .toFile(path);
    expect((await sharp(path).metadata()).space).toBe("cmyk");
    const { data } = await decodeImage(path);
    expect(data.length).toBe(16 * 16 * 3);
    expect(data[0]! - data[1]!).toBeGreaterThan(80);
    expect(data[0]! - data[2]!).toBeGreaterThan(80);
  });

  it("lays transparency on white", async () => {
    const data = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0);
    const image = await decodeImage(await scratch.picture("alpha.png", { data, width: 2, height: 1, channels: 4 }));
    expect([...image.data]).toEqual([10, 20, 30, 255, 255, 255]);
  });

  it("turns pictures upright by their EXIF orientation unless told not to", async () => {
    const path = scratch.path("phone.jpg");
    await sharp(flat(8, 4, [9, 9, 9]), { raw: { width: 8, height: 4, channels: 3 } })
      .withMetadata({ orientation: 6 })
      .toFile(path);
    expect(await decodeImage(path)).toMatchObject({ width: 4, height: 8 });
    expect(await imageSize(path)).toEqual({ width: 4, height: 8 });
    expect(await decodeImage(path, { autoOrient: false })).toMatchObject({ width: 8, height: 4 });
    expect(await imageSize(path, { autoOrient: false })).toEqual({ width: 8, height: 4 });
  });

  it("resizes to an exact size and cuts from the resized picture", async () => {
    const path = await scratch.picture("wide.png", coordinates(200, 100));
    const plan = { width: 100, height: 50, kernel: "linear" as const };
    const small = await decodeImage(path, { plan });
    expect([small.width, small.height]).toEqual([100, 50]);
    const cut = await decodeImage(path, { plan: { ...plan, crop: { left: 10, top: 5, width: 20, height: 8 } } });
    for (let y = 0; y < 8; y++) {
      const row = (y + 5) * 100 + 10;
      expect([...cut.data.subarray(y * 60, y * 60 + 60)]).toEqual([...small.data.subarray(row * 3, (row + 20) * 3)]);
    }
  });

  it("averages when it shrinks instead of dropping pixels", async () => {
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (Math.floor(i / 3) % 2 ? 255 : 0));
    const path = await scratch.picture("stripes.png", { data, width: 64, height: 64 });
    for (const kernel of ["cubic", "linear"] as const) {
      const image = await decodeImage(path, { plan: { width: 16, height: 16, kernel } });
      const inner = image.data.slice(3 * 16 * 4, 3 * 16 * 12);
      const mean = inner.reduce((sum, value) => sum + value, 0) / inner.length;
      expect(Math.abs(mean - 127.5)).toBeLessThan(6);
      expect(Math.max(...inner) - Math.min(...inner)).toBeLessThan(80);
    }
  });
});

describe("files that are no picture", () => {
  let jpeg: Buffer;
  let png: Buffer;
  beforeAll(async () => {
    jpeg = readFileSync(await scratch.picture("whole.jpg", coordinates(90, 70)));
    png = readFileSync(await scratch.picture("whole.png", coordinates(90, 70)));
  });

  it.each<[string, () => string | Uint8Array, RegExp]>([
    ["empty.jpg", () => "", /it is empty/],
    ["text.jpg", () => "no picture", /not a picture of a known format \(jpg, /],
    ["half.jpg", () => jpeg.subarray(0, jpeg.length >> 1), /cut off or damaged/],
    ["tail.jpg", () => jpeg.subarray(0, jpeg.length - 10), /cut off or damaged/],
    ["head.jpg", () => jpeg.subarray(0, 60), /corrupt header|cut off/],
    ["half.png", () => png.subarray(0, png.length >> 1), /cut off or damaged/],
  ])("name themselves and the reason: %s", async (name, content, reason) => {
    const path = scratch.write(name, content());
    const error = await decodeImage(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CsrmError);
    expect((error as Error).message).toContain(`cannot decode the image ${path}: `);
    expect((error as Error).message).toMatch(reason);
    // A strongly reduced picture may not need the last bytes of its file.
    if (name === "tail.jpg") return;
    const plan = { width: 4, height: 4, kernel: "cubic" } as const;
    await expect(decodeImage(path, { plan })).rejects.toThrow(reason);
    await expect(decodeImage(path, { plan: () => plan })).rejects.toThrow(reason);
  });

  it("name the reason also when other pictures are decoded at the same time", async () => {
    const broken = scratch.write("half-of-many.png", png.subarray(0, png.length >> 1));
    const sound = scratch.path("whole.png");
    const results = await Promise.allSettled(
      Array.from({ length: 400 }, (_, i) => (i % 2 ? imageSize(sound) : decodeImage(broken))),
    );
    for (const result of results.filter((_, i) => i % 2 === 0)) {
      expect(result.status === "rejected" && (result.reason as Error).message).toMatch(/cut off or damaged/);
    }
  });

  it("also when they are missing, folders or single pixels", async () => {
    await expect(decodeImage(scratch.path("none.jpg"))).rejects.toThrow(/none.jpg: no such file/);
    await expect(imageSize(scratch.path("none.jpg"))).rejects.toThrow(/none.jpg: no such file/);
    await expect(decodeImage(scratch.root)).rejects.toThrow("it is a folder");
    const dot = await scratch.picture("dot.png", coordinates(1, 1));
    await expect(decodeImage(dot)).rejects.toThrow(`cannot decode the image ${dot}: it is a single pixel`);
    await expect(decodeImage(dot, { plan: { width: 8, height: 8, kernel: "cubic" } })).rejects.toThrow(
      "a single pixel",
    );
  });

  it.runIf(process.getuid)("also when they may not be read", async () => {
    const path = scratch.write("secret.jpg", jpeg);
    chmodSync(path, 0);
    chmodSync(scratch.root, 0o755);
    // Root may read everything.
    const root = process.getuid!() === 0;
    if (root) process.seteuid!(65534);
    try {
      for (const look of [decodeImage, imageSize]) {
        await expect(look(path)).rejects.toThrow(`cannot decode the image ${path}: permission denied`);
      }
    } finally {
      if (root) process.seteuid!(0);
    }
  });

  it("but spare bytes behind a JPEG are no damage", async () => {
    const path = scratch.write("spare.jpg", Buffer.concat([jpeg, Buffer.from("spare")]));
    expect(await decodeImage(path)).toMatchObject({ width: 90, height: 70 });
  });
});
