import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readNpy, readNpyObject, writeNpy } from "../../src/formats/npy.ts";
import { readNpz, writeNpz } from "../../src/formats/npz.ts";
import type { NumpyData } from "../../src/formats/numpy-array.ts";
import { readDamaged } from "../helpers/damage.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const ramp = Array.from({ length: 24 }, (_, i) => i);

describe("readNpy", () => {
  it.each([
    ["f4", "float32", Float32Array, ramp.map((i) => i / 4)],
    ["f4-big-endian", "float32", Float32Array, ramp.map((i) => i / 4)],
    ["f8-fortran", "float64", Float64Array, ramp.map((i) => i / 4)],
    ["i4-big-endian-fortran", "int32", Int32Array, ramp.map((i) => i - 12)],
    ["i8-version2", "int64", BigInt64Array, ramp.map((i) => BigInt(i - 12))],
  ] as const)("reads NumPy's %s in C order", (name, dtype, type, values) => {
    const array = readNpy(golden(`npy-${name}.npy`), name);
    expect(array).toMatchObject({ dtype, shape: [2, 3, 4] });
    expect(array.data).toBeInstanceOf(type);
    expect([...(array.data as Iterable<number | bigint>)]).toEqual(values);
  });

  it("widens halves, among them subnormal, infinite and undefined ones", () => {
    const { dtype, data } = readNpy(golden("npy-f2.npy"), "x");
    expect(dtype).toBe("float16");
    expect([...(data as Float32Array)]).toEqual([0, -1.5, 65504, 2 ** -24, Infinity, Number.NaN]);
  });

  it("reads truth values, scalars and empty arrays", () => {
    expect(readNpy(golden("npy-bool.npy"), "x")).toEqual({
      dtype: "bool",
      shape: [3, 4],
      data: Uint8Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0),
    });
    expect(readNpy(golden("npy-scalar.npy"), "x")).toEqual({ dtype: "float64", shape: [], data: Float64Array.of(2.5) });
    expect(readNpy(golden("npy-empty.npy"), "x")).toEqual({
      dtype: "float32",
      shape: [0, 3],
      data: new Float32Array(0),
    });
  });

  it("names the file and the element type that it cannot read", () => {
    expect(() => readNpy(golden("npy-text.npy"), "t.npy")).toThrow(
      "cannot read t.npy as a NumPy array: its elements <U3",
    );
    expect(() => readNpy(golden("npy-record.npy"), "t.npy")).toThrow("its elements are records");
    expect(() => readNpy(golden("cls-labels-protocol4.npy"), "t.npy")).toThrow("Python objects where numbers");
    expect(() => readNpyObject(golden("npy-f4.npy"), "t.npy")).toThrow("it holds float32 where a Python object");
    expect(() => readNpy(Buffer.from("hello there"), "t.npy")).toThrow("it is not a .npy file");
  });

  it("refuses a shape that the data do not fill, however large it claims to be", () => {
    const file = Buffer.from(writeNpy(new Float32Array(6), [2, 3]));
    for (const shape of ["(2, 4)", "(9, 9)", "(1e3)", "(99999999999999999999, 2)"]) {
      const forged = Buffer.from(file.toString("latin1").replace("(2, 3)", shape), "latin1");
      expect(() => readNpy(forged, "x")).toThrow(/cannot read x/);
    }
  });

  it.each(["npy-f8-fortran", "npy-i8-version2"])("answers every damage of %s with a named error", (name) => {
    const { crashes, refused, prefixes } = readDamaged(golden(`${name}.npy`), (data) => readNpy(data, "x"));
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThanOrEqual(prefixes);
  });
});

describe("writeNpy", () => {
  it.each<[string, NumpyData]>([
    ["<f4", Float32Array.of(1.5, -2)],
    ["<f8", Float64Array.of(1e300, -2)],
    ["|i1", Int8Array.of(-128, 127)],
    ["<i2", Int16Array.of(-32768, 5)],
    ["<i4", Int32Array.of(-5, 2 ** 31 - 1)],
    ["<i8", BigInt64Array.of(-5n, 2n ** 60n)],
    ["|u1", Uint8Array.of(0, 255)],
    ["<u2", Uint16Array.of(0, 65535)],
    ["<u4", Uint32Array.of(0, 2 ** 32 - 1)],
    ["<u8", BigUint64Array.of(0n, 2n ** 63n)],
  ])("writes %s so that it reads back the same", (descriptor, data) => {
    const file = writeNpy(data, [2, 1]);
    expect(Buffer.from(file).toString("latin1", 10)).toContain(`'descr': '${descriptor}'`);
    expect(readNpy(file, "x")).toMatchObject({ shape: [2, 1], data });
  });

  it("writes the very bytes that NumPy writes", () => {
    const data = Float32Array.from(ramp, (i) => i / 4);
    expect(Buffer.from(writeNpy(data, [2, 3, 4])).equals(golden("npy-f4.npy"))).toBe(true);
    expect(Buffer.from(writeNpy(Float64Array.of(2.5), [])).equals(golden("npy-scalar.npy"))).toBe(true);
  });

  it("refuses data that do not fill the shape", () => {
    expect(() => writeNpy(new Uint8Array(5), [2, 3])).toThrow("expected data for the shape [2,3], got 5 elements");
  });
});

describe("npz archives", () => {
  const cam = { data: Float32Array.from(ramp, (i) => i / 24), shape: [2, 3, 4] };
  const keys = { data: BigInt64Array.of(0n, 8n, 15n), shape: [3] };

  it.each(["stored", "deflated"])("reads what NumPy wrote, %s", (kind) => {
    const arrays = readNpz(golden(`cams-${kind}.npz`), "x");
    expect([...arrays.keys()]).toEqual(["keys", "cam"]);
    expect(arrays.get("keys")).toEqual({ dtype: "int64", ...keys });
    expect(arrays.get("cam")).toEqual({ dtype: "float32", ...cam });
  });

  it.each([0, 6])("reads back what it wrote at level %i, the same bytes every time", (level) => {
    const file = writeNpz({ keys, cam }, level);
    expect(writeNpz({ keys, cam }, level)).toEqual(file);
    expect(readNpz(file, "x").get("cam")).toEqual({ dtype: "float32", ...cam });
    expect(readNpz(file, "x").get("keys")).toEqual({ dtype: "int64", ...keys });
  });
});

describe("readNpyObject", () => {
  const files = ["protocol0", "protocol1", "protocol2", "protocol3", "protocol4", "old-numpy"];

  it.each(files)("reads a dictionary of label vectors, %s", (name) => {
    const labels = readNpyObject(golden(`cls-labels-${name}.npy`), name) as Map<unknown, unknown>;
    expect([...labels.keys()]).toEqual(["2007_000032", 2007000039, "einhorn_ä", "list", "empty", 2n ** 70n, "rest"]);
    expect(labels.get("2007_000032")).toMatchObject({
      dtype: "float32",
      shape: [4],
      data: Float32Array.of(1, 0, 0, 1),
    });
    expect(labels.get(2007000039)).toMatchObject({ dtype: "float64", data: Float64Array.of(0, 1, 0, 0) });
    expect(labels.get("einhorn_ä")).toMatchObject({ dtype: "bool", data: Uint8Array.of(0, 0, 1, 0) });
    expect(labels.get("list")).toEqual([0, 0, true, 1]);
    expect(labels.get("empty")).toMatchObject({ dtype: "int64", shape: [0] });
    expect(labels.get(2n ** 70n)).toBe(-(2n ** 70n));
    const [none, minus, long, short, float, bytes, ...others] = labels.get("rest") as unknown[];
    expect([none, minus, long, short, float]).toEqual([null, -1, 70000, 300, 1e300]);
    expect([...(bytes as Uint8Array)]).toEqual([0, 255]);
    expect(others).toEqual(["x".repeat(300), [], [], new Map(), new Set([1])]);
  });

  it.each(files)("answers every damage with a named error, %s", (name) => {
    const { crashes, refused, prefixes } = readDamaged(golden(`cls-labels-${name}.npy`), (data) =>
      readNpyObject(data, "x"),
    );
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThanOrEqual(prefixes);
  });
});
