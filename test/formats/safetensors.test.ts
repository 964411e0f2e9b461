import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeSafetensorsHeader, parseSafetensors, safetensorsHeaderLength } from "../../src/formats/safetensors.ts";
import { readDamaged } from "../helpers/damage.ts";

function file(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, new Uint8Array(dataBytes)]);
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

describe("encodeSafetensorsHeader", () => {
  const specs = [
    { name: "mask", dtype: "BOOL", shape: [3] },
    { name: "step", dtype: "I64", shape: [] },
    { name: 'odd "name"', dtype: "BF16", shape: [2, 0] },
    { name: "weight", dtype: "F32", shape: [2, 3] },
  ] as const;
  const { header, entries } = encodeSafetensorsHeader(specs, { note: "ä" });

  it("is read back with the same tensors, places and metadata", () => {
    const whole = Buffer.concat([header, new Uint8Array(8 + 24 + 0 + 3)]);
    expect(parseSafetensors(whole, "x")).toEqual({ entries, metadata: { note: "ä" } });
  });

  it("puts every tensor at a multiple of its element size, the first at a multiple of 8", () => {
    expect(entries.map((entry) => entry.name)).toEqual(["step", "weight", 'odd "name"', "mask"]);
    expect(entries[0]!.begin).toBe(header.length);
    expect(header.length % 8).toBe(0);
    expect(entries[1]!.begin % 4).toBe(0);
  });

  it("refuses names used twice or reserved", () => {
    expect(() => encodeSafetensorsHeader([specs[0], specs[0]])).toThrow('"mask" is reserved or used twice');
    expect(() => encodeSafetensorsHeader([{ ...specs[0], name: "__metadata__" }])).toThrow("reserved");
  });

  it("writes an empty file that reads back", () => {
    expect(parseSafetensors(encodeSafetensorsHeader([]).header, "x")).toEqual({ entries: [], metadata: {} });
  });
});

describe("parseSafetensors", () => {
  it.each<[string, Uint8Array]>([
    ["it has only 5 bytes", Buffer.from("hello")],
    ["is over 100000000 bytes", Buffer.alloc(64, 0xff)],
    [
      "its header of 500 bytes does not fit in a file of 16 bytes",
      Buffer.concat([Uint8Array.of(0xf4, 1), Buffer.alloc(14)]),
    ],
    ["its header is not valid JSON", file("{nonsense", 0)],
    ["its header is not a JSON object", file("[]", 0)],
    ['its metadata "n" is not a text', file({ __metadata__: { n: 1 } }, 0)],
    ["its metadata is not an object", file({ __metadata__: [] }, 0)],
    ['tensor "a" is not described by an object', file({ a: null }, 0)],
    ['tensor "a" has the unknown dtype "F31"', file({ a: { ...f32(0, 4), dtype: "F31" } }, 4)],
    ['tensor "a" has the unknown dtype "toString"', file({ a: { ...f32(0, 4), dtype: "toString" } }, 4)],
    ['tensor "a" has the shape [-1]', file({ a: f32(0, 4, [-1]) }, 4)],
    ['tensor "a" has the shape [0.5]', file({ a: f32(0, 4, [0.5]) }, 4)],
    ['tensor "a" has the byte range [0]', file({ a: { ...f32(0, 4), data_offsets: [0] } }, 4)],
    ["has the impossible shape", file({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4)],
    ['tensor "a" takes 8 bytes where F32 [1] needs 4', file({ a: f32(0, 8, [1]) }, 8)],
    ['tensor "a" takes -4 bytes', file({ a: f32(8, 4, [1]) }, 8)],
    ["the file is cut off", file({ a: f32(0, 8) }, 4)],
    ['the bytes of tensor "b" overlap those before', file({ a: f32(0, 8), b: f32(4, 12) }, 12)],
    ['the bytes of tensor "b" leave a gap before them', file({ a: f32(0, 4), b: f32(8, 12) }, 12)],
    ["4 bytes at its end belong to no tensor", file({ a: f32(0, 4) }, 8)],
  ])("refuses a file because %s", (message, bytes) => {
    expect(() => parseSafetensors(bytes, "m.safetensors")).toThrow("cannot read m.safetensors as safetensors: ");
    expect(() => parseSafetensors(bytes, "m.safetensors")).toThrow(message);
  });

  it("answers every damage with a named error", () => {
    const bytes = file({ a: f32(0, 8), b: f32(8, 12), __metadata__: { k: "v" } }, 12);
    const { crashes, refused, prefixes } = readDamaged(bytes, (data) => parseSafetensors(data, "x"));
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThan(prefixes);
  });

  it("finds the header's length without the rest of a large file", () => {
    const bytes = file({ a: f32(0, 8) }, 8);
    expect(safetensorsHeaderLength(bytes.subarray(0, 8), bytes.length, "x")).toBe(bytes.length - 16);
  });
});

const weights = join(process.env.CSRM_WEIGHTS ?? "", "mobilenet_v2-imagenet.safetensors");
describe.skipIf(!process.env.CSRM_WEIGHTS || !existsSync(weights))("real weights (CSRM_WEIGHTS)", () => {
  it("lists MobileNetV2's tensors", () => {
    const { entries, metadata } = parseSafetensors(readFileSync(weights), weights);
    expect(metadata.architecture).toBe("mobilenet_v2");
    expect(entries.find((entry) => entry.name === "features.0.0.weight")).toMatchObject({
      dtype: "F32",
      shape: [32, 3, 3, 3],
    });
  });
});
