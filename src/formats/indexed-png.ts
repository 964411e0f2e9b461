/** Label maps as PNG files: palette images whose indices are label ids, written and read without ever changing an id. */

import { crc32, deflateSync, inflateSync } from "node:zlib";
import { CsrmError, messageOf } from "../errors.ts";
import { vocPalette } from "./palette.ts";
import { readScanlines, type ScanlineLayout, scanlineBytes } from "./png-scanlines.ts";

/** Label ids 0..255, height × width, row by row. */
export interface LabelMap {
  data: Uint8Array;
  width: number;
  height: number;
}

/** A decoded PNG: one byte a sample. With colour "palette" or "gray" samples are the stored numbers, not scaled. */
export interface DecodedPng extends LabelMap {
  colour: "gray" | "rgb" | "palette" | "gray+alpha" | "rgba";
  channels: number;
  bitDepth: number;
  /** n × 3 bytes when the file has a palette. */
  palette: Uint8Array | null;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const COLOURS: Record<number, { colour: DecodedPng["colour"]; channels: number; depths: number[] }> = {
  0: { colour: "gray", channels: 1, depths: [1, 2, 4, 8] },
  2: { colour: "rgb", channels: 3, depths: [8] },
  3: { colour: "palette", channels: 1, depths: [1, 2, 4, 8] },
  4: { colour: "gray+alpha", channels: 2, depths: [8] },
  6: { colour: "rgba", channels: 4, depths: [8] },
};
// Enough for any label map of a photograph; keeps a forged header from reserving all memory.
const MAX_PIXELS = 2 ** 28;

/**
 * A label map as an 8-bit palette PNG.
 * @param options.palette up to 256 × 3 bytes RGB (default: the VOC colour map, all 256 entries)
 * @param options.level zlib level 0..9 (default 6)
 */
export function encodeIndexedPng(map: LabelMap, options: { palette?: Uint8Array; level?: number } = {}): Uint8Array {
  return encodePng(map, { colour: 3, chunks: [chunk("PLTE", options.palette ?? vocPalette())], level: options.level });
}

/** An 8-bit gray PNG, for masks of 0 and 255 as other programs want them. */
export function encodeGrayPng(map: LabelMap): Uint8Array {
  return encodePng(map, { colour: 0, chunks: [] });
}

function encodePng(
  { width, height, data }: LabelMap,
  { colour, chunks, level = 6 }: { colour: number; chunks: readonly Uint8Array[]; level?: number },
): Uint8Array {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new CsrmError(`expected a label map of at least 1 × 1, got ${width} × ${height}`, { code: "expected" });
  }
  if (data.length !== width * height) {
    throw new CsrmError(`expected ${width} × ${height} labels, got ${data.length}`, { code: "expected" });
  }
  const rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colour, 0, 0, 0], 8);
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", header),
    ...chunks,
    chunk("IDAT", deflateSync(rows, { level })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/**
 * The label ids of a mask file. Palette and gray images hold ids as they are; in RGB images every colour is looked up in
 * `palette` exactly; an alpha channel is ignored.
 * @param name the file's name, for messages
 * @param palette colours of ids 0..n−1 as n × 3 bytes (default: the VOC colour map)
 * @throws CsrmError (code "data") naming the file and, for a colour outside the palette, the pixel
 */
export function decodeLabelPng(bytes: Uint8Array, name: string, palette?: Uint8Array): LabelMap {
  const { data, width, height, channels } = decodePng(bytes, name);
  if (channels === 1) return { data, width, height };
  const labels = new Uint8Array(width * height);
  if (channels === 2) {
    for (let i = 0; i < labels.length; i++) labels[i] = data[i * 2]!;
    return { data: labels, width, height };
  }
  const ids = idsByColour(palette ?? vocPalette());
  for (let i = 0; i < labels.length; i++) {
    const [r, g, b] = [data[i * channels]!, data[i * channels + 1]!, data[i * channels + 2]!];
    const id = ids.get((r << 16) | (g << 8) | b);
    if (id === undefined) {
      const at = `x ${i % width}, y ${Math.floor(i / width)}`;
      throw damaged(name, `the colour (${r}, ${g}, ${b}) at ${at} is not in the palette, so it names no class`);
    }
    labels[i] = id;
  }
  return { data: labels, width, height };
}

/** Decodes a PNG of up to 8 bits a sample, interlaced or not, checksums verified. @throws CsrmError as decodeLabelPng. */
export function decodePng(bytes: Uint8Array, name: string): DecodedPng {
  const { header, palette, data } = readChunks(bytes, name);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [bitDepth, type, compression, filter, interlace] = [8, 9, 10, 11, 12].map((at) => view.getUint8(at));
  if (width === 0 || height === 0) throw damaged(name, `it is ${width} × ${height} pixels`);
  if (width * height > MAX_PIXELS) throw damaged(name, `${width} × ${height} pixels are more than can be read`);
  const kind = COLOURS[type!];
  if (!kind || compression !== 0 || filter !== 0 || interlace! > 1) throw damaged(name, "its header is not valid");
  if (!kind.depths.includes(bitDepth!)) {
    throw damaged(name, `${bitDepth} bits a sample are not supported; save it with 8 bits`);
  }
  const { colour, channels } = kind;
  const layout: ScanlineLayout = { width, height, bitDepth: bitDepth!, channels, interlaced: interlace === 1 };
  const samples = readScanlines(inflate(data, scanlineBytes(layout), name), layout);
  if (!samples) throw damaged(name, "a row has an unknown filter");
  return { data: samples, width, height, colour, channels, bitDepth: bitDepth!, palette };
}

function readChunks(bytes: Uint8Array, name: string) {
  if (bytes.length === 0) throw damaged(name, "it is empty");
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) throw damaged(name, "it is not a PNG file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Uint8Array | null = null;
  let palette: Uint8Array | null = null;
  const data: Uint8Array[] = [];
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw damaged(name, `it is cut off after ${bytes.length} bytes`);
    const length = view.getUint32(at);
    const type = Buffer.from(bytes.subarray(at + 4, at + 8)).toString("latin1");
    if (at + 12 + length > bytes.length) throw damaged(name, `it is cut off inside its ${type} block`);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw damaged(name, `the checksum of its ${type} block is wrong`);
    }
    if (type === "IHDR" && at === 8 && length === 13) header = body;
    if (!header) throw damaged(name, "it does not begin with a header");
    if (type === "PLTE") palette = new Uint8Array(body);
    if (type === "IDAT") data.push(body);
    if (type === "IEND") return { header, palette, data };
    at += 12 + length;
  }
}

function inflate(data: Uint8Array[], size: number, name: string): Uint8Array {
  let raw: Uint8Array;
  try {
    raw = inflateSync(Buffer.concat(data), { maxOutputLength: size + 1 });
  } catch (error) {
    throw damaged(name, `its pixels cannot be unpacked (${messageOf(error)})`);
  }
  if (raw.length !== size) throw damaged(name, `it holds ${raw.length} bytes of pixels where ${size} belong`);
  return raw;
}

// Of equal colours the first id counts; the VOC colour map has no equal colours.
function idsByColour(palette: Uint8Array): Map<number, number> {
  const ids = new Map<number, number>();
  for (let id = 0; id * 3 + 2 < palette.length; id++) {
    const key = (palette[id * 3]! << 16) | (palette[id * 3 + 1]! << 8) | palette[id * 3 + 2]!;
    if (!ids.has(key)) ids.set(key, id);
  }
  return ids;
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(12 + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  out.set(Buffer.from(type, "latin1"), 4);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)));
  return out;
}

function damaged(name: string, why: string): CsrmError {
  return new CsrmError(`cannot read ${name} as a label map: ${why}`, { code: "data" });
}
