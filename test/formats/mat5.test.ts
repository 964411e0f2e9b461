import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type MatValue, readMat5 } from "../../src/formats/mat5.ts";
import { readDamaged } from "../helpers/damage.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/mat-${name}.mat`, import.meta.url));
const structOf = (value: MatValue | undefined) => {
  if (value?.kind !== "struct") throw new Error(`no struct but ${value?.kind}`);
  return Object.fromEntries([...value.fields].map(([key, values]) => [key, values[0]!]));
};
/** The 5 × 7 labels of make-mat.py, column by column. */
const classes = Uint8Array.from({ length: 35 }, (_, i) => {
  const [y, x] = [i % 5, Math.floor(i / 5)];
  if (y === 4 && x === 0) return 3;
  return y >= 1 && y < 3 && x >= 2 && x < 6 ? 15 : 0;
});

/** A file of one variable that is packed. */
function packed(body: Uint8Array): Uint8Array {
  const data = deflateSync(body);
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(15, 0);
  tag.writeUInt32LE(data.length, 4);
  return Buffer.concat([golden("cls-packed").subarray(0, 128), tag, data]);
}

describe("readMat5", () => {
  it.each(["cls-packed", "cls-plain", "big-endian"])("reads the classes of SBD's GTcls from %s", (name) => {
    const { Segmentation, CategoriesPresent } = structOf(readMat5(golden(name), name).get("GTcls"));
    expect(Segmentation).toEqual({ kind: "numeric", dims: [5, 7], data: classes });
    expect(CategoriesPresent).toMatchObject({ dims: [2, 1] });
    expect([...(CategoriesPresent as { data: Uint8Array }).data]).toEqual([3, 15]);
  });

  it("steps over sparse matrices in cells, which SBD's boundaries are", () => {
    const { Boundaries } = structOf(readMat5(golden("cls-packed"), "x").get("GTcls"));
    const boundary = { kind: "unread", dims: [5, 7], type: "sparse matrix" };
    expect(Boundaries).toEqual({ kind: "cell", dims: [2, 1], cells: [boundary, boundary] });
  });

  it.each(["inst-packed", "inst-plain"])("reads the instances of SBD's GTinst from %s", (name) => {
    const { Segmentation, Categories } = structOf(readMat5(golden(name), name).get("GTinst"));
    expect(Categories).toEqual({ kind: "numeric", dims: [3, 1], data: Float64Array.of(15, 15, 3) });
    const { data } = Segmentation as { data: Uint8Array };
    // Pixel for pixel the classes of GTcls.
    expect(data.map((instance) => [0, 15, 15, 3][instance]!)).toEqual(classes);
  });

  it("reads every class of numbers, in whichever type they are stored", () => {
    const values = readMat5(golden("kinds"), "kinds.mat");
    const dataOf = (name: string) => (values.get(name) as { data: unknown }).data;
    const columns = Array.from(
      { length: 24 },
      (_, i) => (i % 2) * 12 + (Math.floor(i / 2) % 3) * 4 + Math.floor(i / 6),
    );
    expect(values.get("ramp")).toEqual({ kind: "numeric", dims: [2, 3, 4], data: Float64Array.from(columns) });
    expect(dataOf("whole")).toEqual(Float64Array.of(1, 2, 300));
    expect(dataOf("i8")).toEqual(Int8Array.of(-128, 127));
    expect(dataOf("i16")).toEqual(Int16Array.of(-30000, 30000));
    expect(dataOf("u16")).toEqual(Uint16Array.of(0, 65535));
    expect(dataOf("i32")).toEqual(Int32Array.of(-(2 ** 31), 2 ** 31 - 1));
    expect(dataOf("u32")).toEqual(Uint32Array.of(2 ** 32 - 1));
    expect(dataOf("i64")).toEqual(BigInt64Array.of(-(2n ** 62n)));
    expect(dataOf("u64")).toEqual(BigUint64Array.of(2n ** 63n));
    expect(dataOf("f4")).toEqual(Float32Array.of(0.5, -2.25));
    expect(dataOf("yes")).toEqual(Uint8Array.of(1, 0));
    expect(values.get("none")).toEqual({ kind: "numeric", dims: [0, 0], data: new Float64Array(0) });
    expect(values.get("complex")).toEqual({ kind: "unread", dims: [1, 1], type: "complex matrix" });
    expect(values.get("text")).toMatchObject({ kind: "text", text: "gräß €" });
    expect(readMat5(golden("big-endian"), "x").get("x")).toMatchObject({ data: Float64Array.of(0.5, -1e300) });
  });

  it("reads arrays of structs field by field", () => {
    const people = readMat5(golden("kinds"), "kinds.mat").get("people");
    expect(people).toMatchObject({ kind: "struct", dims: [1, 2] });
    const { fields } = people as Extract<MatValue, { kind: "struct" }>;
    expect(fields.get("name")!.map((value) => (value as { text: string }).text)).toEqual(["Ada", "Bö"]);
    expect(fields.get("age")!.map((value) => (value as { data: Float64Array }).data[0])).toEqual([36.5, -1]);
  });

  it.each(["cls-packed", "cls-plain", "inst-plain", "big-endian", "kinds"])(
    "answers damage of %s with a named error",
    (name) => {
      const { crashes, refused, prefixes } = readDamaged(golden(name), (bytes) => readMat5(bytes, "x.mat"));
      expect(crashes).toEqual([]);
      // All prefixes but those that end between two variables.
      expect(refused).toBeGreaterThan(prefixes * 0.9);
    },
  );

  it.each([
    ["an empty file", () => new Uint8Array(0), "it is empty"],
    [
      "a file of HDF5",
      () => Buffer.from("MATLAB 7.3 MAT-file".padEnd(200)),
      "it is of version 7.3 (HDF5); save it in MATLAB with -v7",
    ],
    ["another file", () => Buffer.alloc(200, 65), "it is no MAT-file of version 5"],
    ["a bomb", () => packed(Buffer.alloc(5000)), "it unpacks to more than can be read"],
  ])("says why it cannot read %s", (_, bytes, message) => {
    expect(() => readMat5(bytes(), "x.mat", { maxBytes: 4999 })).toThrow(`cannot read x.mat as a MAT-file: ${message}`);
  });

  it("refuses endless nesting and endless lists without filling memory", () => {
    const tag = (type: number, body: Uint8Array) => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(type, 0);
      head.writeUInt32LE(body.length, 4);
      return Buffer.concat([head, body, Buffer.alloc((8 - (body.length % 8)) % 8)]);
    };
    const words = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);
    const cell = (count: number, body: Uint8Array) =>
      tag(14, Buffer.concat([tag(6, words(1, 0)), tag(5, words(count, 1)), tag(1, new Uint8Array(0)), body]));
    let nested: Uint8Array = tag(14, new Uint8Array(0));
    for (let i = 0; i < 40; i++) nested = cell(1, nested);
    expect(() => readMat5(packed(nested), "x.mat")).toThrow("nested more than 32 deep");
    const empty = Buffer.alloc(8 * 2 ** 18, tag(14, new Uint8Array(0)));
    expect(() => readMat5(packed(cell(2 ** 18, empty)), "x.mat")).toThrow("it has more than 131072 values");
    expect(() => readMat5(packed(cell(2 ** 30, empty.subarray(0, 80))), "x.mat")).toThrow("it is cut off");
  });
});
