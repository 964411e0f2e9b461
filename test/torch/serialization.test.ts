import { mkdtempSync, readdirSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { type DType, tensor } from "../../src/torch/index.ts";
import { inspectTensors, loadTensors, saveTensors } from "../../src/torch/serialization.ts";

const folder = mkdtempSync(path.join(tmpdir(), "csrm-serialization-"));

it("keeps every dtype, shape and value, scalars and empty tensors included", () => {
  const dtypes: DType[] = [
    "float32",
    "float64",
    "bfloat16",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
  ];
  const tensors = new Map(dtypes.map((dtype) => [`t.${dtype}`, tensor([[0, 1, 1]], { dtype })]));
  tensors.set("scalar", tensor(2.5));
  tensors.set("empty", tensor(new Float32Array(0), { shape: [0, 3] }));
  tensors.set(
    "strided",
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).transpose(0, 1),
  );
  const file = path.join(folder, "all.safetensors");
  saveTensors(file, tensors, { made_by: "test" });
  const loaded = loadTensors(file);
  expect(loaded.metadata).toEqual({ made_by: "test" });
  expect([...loaded.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, t] of tensors) {
    expect(loaded.tensors.get(name)!.dtype).toBe(t.dtype);
    expect(loaded.tensors.get(name)!.shape).toEqual(t.shape);
    expect(loaded.tensors.get(name)!.toArray()).toEqual(t.toArray());
  }
  expect(inspectTensors(file).tensors.size).toBe(tensors.size);
  expect(inspectTensors(file).tensors.get("strided")).toEqual({ dtype: "float32", shape: [3, 2] });
  expect([...loadTensors(file, (name) => name === "scalar").tensors.keys()]).toEqual(["scalar"]);
});

it("names the file when it is missing or cut off, and leaves no temporary file", () => {
  const file = path.join(folder, "cut.safetensors");
  saveTensors(file, new Map([["x", tensor([1, 2, 3])]]));
  truncateSync(file, 60);
  expect(() => loadTensors(file)).toThrow(/cut\.safetensors/);
  expect(() => loadTensors(path.join(folder, "absent"))).toThrow(/absent: no such file/);
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});
