import { crc32, deflateSync } from "node:zlib";
import { decode, encode } from "fast-png";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { decodeLabelPng, decodePng, encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { vocPalette } from "../../src/formats/palette.ts";
import { readDamaged } from "../helpers/damage.ts";

const rng = new Rng("png");
const bytes = (length: number, below = 256) => Uint8Array.from({ length }, () => rng.int(below));
// Wide enough for every one of the 256 ids, odd so that sub-byte rows end inside a byte.
const map = { width: 37, height: 21, data: bytes(37 * 21) };
for (let id = 0; id < 256; id++) map.data[id] = id;

describe("encodeIndexedPng", () => {
  it("keeps all 256 ids and the palette, as another decoder sees it", () => {
    const png = decode(encodeIndexedPng(map));
    expect([png.width, png.height, png.channels, png.depth]).toEqual([37, 21, 1, 8]);
    expect(png.data).toEqual(map.data);
    expect(png.palette?.flat()).toEqual([...vocPalette()]);
  });

  it("shows the colours of the palette to an image library", async () => {
    const palette = bytes(256 * 3);
    const { data } = await sharp(encodeIndexedPng(map, { palette, level: 0 }))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([...data]).toEqual([...map.data].flatMap((id) => [...palette.subarray(id * 3, id * 3 + 3)]));
  });

  it("comes back unchanged, at every size down to one pixel and from a view into a larger buffer", () => {
    for (const [width, height] of [
      [1, 1],
      [1, 9],
      [9, 1],
      [300, 2],
    ] as const) {
      const data = bytes(width * height + 5).subarray(5);
      expect(decodeLabelPng(encodeIndexedPng({ width, height, data }), "x")).toEqual({ width, height, data });
    }
  });

  it("refuses data that do not fill the size", () => {
    expect(() => encodeIndexedPng({ width: 3, height: 2, data: new Uint8Array(5) })).toThrow(
      "expected 3 × 2 labels, got 5",
    );
    expect(() => encodeIndexedPng({ width: 0, height: 2, data: new Uint8Array(0) })).toThrow("at least 1 × 1");
  });
});

describe("decodeLabelPng", () => {
  it.each([1, 2, 4, 8] as const)("reads gray and palette files of %i bits without scaling ids", (depth) => {
    const data = bytes(37 * 21, 2 ** depth);
    const packed = packRows(data, { width: 37, height: 21, depth });
    for (const type of [0, 3]) {
      const file = png({ width: 37, height: 21, depth, type, rows: packed });
      expect(decodeLabelPng(file, "x").data).toEqual(data);
    }
  });

  it.each([0, 1, 2, 3, 4])("undoes filter %i for one, three and four channels", (filter) => {
    for (const [type, channels] of [
      [0, 1],
      [2, 3],
      [6, 4],
    ] as const) {
      const data = bytes(13 * 6 * channels);
      const rows = filterRows(data, { rowBytes: 13 * channels, near: channels, filter });
      expect(decodePng(png({ width: 13, height: 6, depth: 8, type, rows }), "x").data).toEqual(data);
    }
  });

  it("reads what other encoders write, with filters of their choice and interlaced", async () => {
    const smooth = Uint8Array.from({ length: 40 * 30 }, (_, i) => (i % 40) + Math.floor(i / 40));
    const gray = encode({ width: 40, height: 30, data: smooth, channels: 1 });
    expect(decodeLabelPng(gray, "x").data).toEqual(smooth);
    for (const progressive of [false, true]) {
      const options = { raw: { width: 40, height: 30, channels: 1 } } as const;
      const file = await sharp(smooth, options)
        .toColourspace("b-w")
        .png({ progressive, adaptiveFiltering: true })
        .toBuffer();
      expect(decodePng(file, "x").colour).toBe("gray");
      expect(decodeLabelPng(file, "x").data).toEqual(smooth);
    }
  });

  it("reads interlaced files of every small size and of sub-byte samples", async () => {
    for (let width = 1; width <= 9; width++) {
      for (let height = 1; height <= 9; height++) {
        const data = bytes(width * height, 4);
        const plain = png({ width, height, depth: 2, type: 3, rows: packRows(data, { width, height, depth: 2 }) });
        const raw = { raw: { width, height, channels: 1 as const } };
        const interlaced = await sharp(data, raw).toColourspace("b-w").png({ progressive: true }).toBuffer();
        expect(decodeLabelPng(interlaced, "x").data).toEqual(data);
        expect(decodeLabelPng(plain, "x").data).toEqual(data);
      }
    }
  });

  it("looks colours of RGB and RGBA masks up exactly, and names the first that is no label", () => {
    const palette = vocPalette();
    for (const channels of [3, 4] as const) {
      const colours = new Uint8Array(map.data.length * channels).fill(7);
      map.data.forEach((id, i) => void colours.set(palette.subarray(id * 3, id * 3 + 3), i * channels));
      const image = { width: 37, height: 21, data: colours, channels };
      expect(decodeLabelPng(encode(image), "x").data).toEqual(map.data);
      colours.set([1, 2, 3], (37 * 4 + 5) * channels);
      expect(() => decodeLabelPng(encode(image), "masks/a.png")).toThrow(
        "cannot read masks/a.png as a label map: the colour (1, 2, 3) at x 5, y 4 is not in the palette",
      );
    }
    const [own, colour] = [Uint8Array.of(0, 0, 0, 9, 9, 9), Uint8Array.of(9, 9, 9, 0, 0, 0)];
    expect([...decodeLabelPng(encode({ width: 2, height: 1, data: colour, channels: 3 }), "x", own).data]).toEqual([
      1, 0,
    ]);
  });

  it("takes the gray channel of gray images with transparency", () => {
    const file = encode({ width: 2, height: 1, data: Uint8Array.of(5, 255, 6, 0), channels: 2 });
    expect([...decodeLabelPng(file, "x").data]).toEqual([5, 6]);
  });

  it("says what is wrong with a file that is empty, another format, 16-bit, too large or cut off", () => {
    const refuse = (data: Uint8Array, message: string | RegExp) =>
      expect(() => decodeLabelPng(data, "m.png")).toThrow(message);
    refuse(new Uint8Array(0), "cannot read m.png as a label map: it is empty");
    refuse(
      Uint8Array.from({ length: 50 }, () => 0xff),
      "it is not a PNG file",
    );
    refuse(encode({ width: 2, height: 1, data: Uint16Array.of(1, 2), channels: 1, depth: 16 }), "16 bits a sample");
    refuse(png({ width: 60000, height: 60000, depth: 8, type: 3, rows: bytes(10) }), "more than can be read");
    refuse(png({ width: 2, height: 2, depth: 8, type: 3, rows: bytes(5, 1) }), "5 bytes of pixels where 6 belong");
    refuse(png({ width: 1, height: 1, depth: 8, type: 3, rows: Uint8Array.of(5, 0) }), "unknown filter");
    refuse(png({ width: 0, height: 1, depth: 8, type: 3, rows: bytes(1) }), "0 × 1 pixels");
    const file = encodeIndexedPng(map);
    refuse(file.subarray(0, file.length - 20), /cut off inside its IDAT block/);
    refuse(file.subarray(0, file.length - 12), /cut off after \d+ bytes/);
    const wrong = new Uint8Array(file);
    wrong[file.length - 40]! ^= 1;
    refuse(wrong, "the checksum of its IDAT block is wrong");
  });

  it("answers every cut and every overwritten byte with a named error", () => {
    const { refused, crashes, prefixes } = readDamaged(encodeIndexedPng(map), (data) => decodeLabelPng(data, "x"));
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThan(prefixes + 250);
  });
});

describe("vocPalette", () => {
  it("has the colours of the VOC development kit", () => {
    const colour = (id: number) => [...vocPalette().subarray(id * 3, id * 3 + 3)];
    expect(colour(0)).toEqual([0, 0, 0]);
    expect(colour(1)).toEqual([128, 0, 0]);
    expect(colour(15)).toEqual([192, 128, 128]);
    expect(colour(20)).toEqual([0, 64, 128]);
    expect(colour(255)).toEqual([224, 224, 192]);
  });

  it("has 256 different colours", () => {
    const palette = vocPalette();
    const seen = new Set(Array.from({ length: 256 }, (_, id) => palette.subarray(id * 3, id * 3 + 3).join()));
    expect(seen.size).toBe(256);
  });
});

/** Samples packed from the highest bit, each row behind a filter byte of 0. */
function packRows(data: Uint8Array, size: { width: number; height: number; depth: number }): Uint8Array {
  const rowBytes = Math.ceil((size.width * size.depth) / 8);
  const out = new Uint8Array(size.height * (rowBytes + 1));
  for (let i = 0; i < data.length; i++) {
    const [y, bit] = [Math.floor(i / size.width), (i % size.width) * size.depth];
    out[y * (rowBytes + 1) + 1 + (bit >> 3)]! |= data[i]! << (8 - size.depth - (bit & 7));
  }
  return out;
}

/** The filters of the PNG specification, forwards. */
function filterRows(data: Uint8Array, options: { rowBytes: number; near: number; filter: number }): Uint8Array {
  const { rowBytes, near, filter } = options;
  const height = data.length / rowBytes;
  const out = new Uint8Array(height * (rowBytes + 1));
  const at = (x: number, y: number) => (x < 0 || y < 0 ? 0 : data[y * rowBytes + x]!);
  for (let y = 0; y < height; y++) {
    out[y * (rowBytes + 1)] = filter;
    for (let x = 0; x < rowBytes; x++) {
      const [a, b, c] = [at(x - near, y), at(x, y - 1), at(x - near, y - 1)];
      const nearest = [a, b, c].sort((p, q) => Math.abs(a + b - c - p) - Math.abs(a + b - c - q))[0]!;
      const guess = [0, a, b, (a + b) >> 1, nearest][filter]!;
      out[y * (rowBytes + 1) + 1 + x] = at(x, y) - guess;
    }
  }
  return out;
}

/** A PNG around given rows, assembled by replacing the header and the pixels of an encoded one. */
function png(spec: { width: number; height: number; depth: number; type: number; rows: Uint8Array }): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, spec.width);
  view.setUint32(4, spec.height);
  header.set([spec.depth, spec.type, 0, 0, 0], 8);
  const chunk = (type: string, body: Uint8Array) => {
    const content = Buffer.concat([Buffer.from(type), body]);
    const out = Buffer.alloc(content.length + 8);
    out.writeUInt32BE(body.length, 0);
    content.copy(out, 4);
    out.writeUInt32BE(crc32(content), out.length - 4);
    return out;
  };
  const palette = spec.type === 3 ? [chunk("PLTE", vocPalette())] : [];
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    ...palette,
    chunk("IDAT", deflateSync(spec.rows)),
    chunk("IEND", new Uint8Array(0)),
  ]);
}
