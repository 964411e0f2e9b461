import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memoryBytes } from "../../src/byte-source.ts";
import { CsrmError } from "../../src/errors.ts";
import { halfToNumber } from "../../src/formats/numpy-array.ts";
import type { StoredTensor } from "../../src/formats/stored-tensor.ts";
import { openTensorFile, readTensorFile } from "../../src/formats/tensor-file.ts";
import { encodeTorchFile } from "../../src/formats/torch-writer.ts";
import { readZip, writeZip } from "../../src/formats/zip.ts";
import { readGolden } from "../helpers/golden.ts";
import { hasTorch, runPython } from "../helpers/torch-python.ts";

const golden = (name: string) => readFileSync(new URL(`../golden/${name}`, import.meta.url));
const read = (bytes: Uint8Array, section?: string) => readTensorFile(memoryBytes(bytes, "m.pth"), { section });
const folder = mkdtempSync(join(tmpdir(), "csrm-torch-"));
afterAll(() => rmSync(folder, { recursive: true }));

function numbers({ dtype, read }: StoredTensor): number[] {
  const { buffer } = read();
  const bf16 = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
  switch (dtype) {
    case "float64":
      return [...new Float64Array(buffer)];
    case "float32":
      return [...new Float32Array(buffer)];
    case "float16":
      return [...new Uint16Array(buffer)].map(halfToNumber);
    case "bfloat16":
      return [...new Uint16Array(buffer)].map(bf16);
    case "int64":
      return [...new BigInt64Array(buffer)].map(Number);
    case "int32":
      return [...new Int32Array(buffer)];
    case "int16":
      return [...new Int16Array(buffer)];
    case "int8":
      return [...new Int8Array(buffer)];
    default:
      return [...new Uint8Array(buffer)];
  }
}

type Described = Record<string, { dtype: string; shape: number[]; data: number[] }>;

const described = (tensors: ReadonlyMap<string, StoredTensor>): Described =>
  Object.fromEntries(
    [...tensors].map(([name, tensor]) => [
      name,
      { dtype: tensor.dtype, shape: [...tensor.shape], data: numbers(tensor) },
    ]),
  );

describe("files of torch.save", () => {
  it.each(["zip", "legacy"])("give every dtype, view and scalar as PyTorch has it (%s)", (kind) => {
    const file = read(golden(`torch-${kind}.pth`));
    expect(file.format).toBe(`torch-${kind}`);
    expect(described(file.tensors)).toEqual(readGolden("torch-tensors"));
    expect([...file.tensors.keys()]).toEqual(Object.keys(readGolden<Described>("torch-tensors")));
    const place = (name: string) => file.tensors.get(name)!.place;
    expect(place("same_as_f32")).toBe(place("f32"));
    expect(place("every_second")).not.toBe(place("f32"));
  });

  it("are the same read from disk as from memory", () => {
    using file = openTensorFile(new URL("../golden/torch-zip.pth", import.meta.url).pathname);
    expect(described(file.tensors)).toEqual(readGolden("torch-tensors"));
  });

  it.each(["", "-legacy"])("give the network of a whole checkpoint and list the rest%s", (kind) => {
    const file = read(golden(`torch-checkpoint${kind}.pth`));
    expect(file.section).toBe("state_dict");
    expect(file.tensors.size).toBe(7);
    // It was 6, then saw one constant image with momentum 0.1.
    expect(numbers(file.tensors.get("1.running_var")!)[0]).toBeCloseTo(5.4, 5);
    expect(Object.fromEntries(file.others)).toEqual({
      epoch: "3",
      best: "0.5",
      args: "options of a program",
      shape: "a list of 2",
      optimizer: "2 entries",
    });
  });

  it("with several networks give the usual one, or the one that is named", () => {
    const bytes = golden("torch-two-networks.pth");
    expect(read(bytes).section).toBe("model");
    expect(read(bytes, "ema").section).toBe("ema");
    expect(() => read(bytes, "student")).toThrow('m.pth has no section "student" with tensors; there are: model, ema');
  });

  it("may be big-endian, or packed by another zip program", () => {
    for (const name of ["torch-big-endian", "torch-deflated"]) {
      const { tensors } = read(golden(`${name}.pth`));
      expect(numbers(tensors.get("x")!)).toEqual([1.5, -2]);
      expect(numbers(tensors.get("n")!)).toEqual([258]);
    }
  });

  it("that hold a network's code are refused with what to do", () => {
    expect(() => read(golden("torch-whole-network.pth"))).toThrow(
      /torch\.nn\.modules\.linear\.Linear.*save network\.state_dict\(\)/,
    );
  });
});

/** A checkpoint around a pickle written by hand, with one storage of 4 float32. */
function archive(pickle: string, members: Record<string, Uint8Array> = { "a/data/0": new Uint8Array(16) }): Uint8Array {
  return writeZip([
    { name: "a/data.pkl", data: Buffer.from(`\x80\x02}(${pickle}u.`, "latin1") },
    ...Object.entries(members).map(([name, data]) => ({ name, data })),
  ]);
}

interface Handmade {
  key?: string;
  elements?: number;
  offset?: number;
  shape?: number[];
  strides?: number[];
  storage?: string;
}

function tensorPickle(name: string, given: Handmade = {}): string {
  const { key = "0", elements = 4, offset = 0, shape = [4], strides = [1], storage = "torch\nFloatStorage" } = given;
  const list = (values: number[]) => `(${values.map((value) => `I${value}\n`).join("")}t`;
  return `V${name}\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nc${storage}\nV${key}\nVcpu\nI${elements}\ntQI${offset}\n${list(shape)}${list(strides)}I00\nNtR`;
}

describe("a hostile checkpoint", () => {
  it("is read where it is none", () => {
    expect(
      read(archive(tensorPickle("x")))
        .tensors.get("x")!
        .read(),
    ).toEqual(new Uint8Array(16));
  });

  it.each<[string, Handmade]>([
    ["reaches to element 4 of a storage of 4", { offset: 1 }],
    ["reaches to element 9 of a storage of 4", { strides: [3] }],
    ["repeats a storage of only 4 elements", { shape: [1_000_000_000], strides: [0] }],
    ["strides are impossible", { strides: [-1] }],
    ["strides are impossible", { strides: [1, 1] }],
    ["offset -1 is impossible", { offset: -1 }],
    ["shape is impossible", { shape: [-4] }],
    ["shape is impossible", { shape: [2 ** 40, 2 ** 40], strides: [1, 1] }],
    ['storage "0" has 16 bytes where 5 of float32 need 20', { elements: 5 }],
    ['storage "0" has 16 bytes where 4 of int64 need 32', { storage: "torch\nLongStorage" }],
    ['storage "1" is missing', { key: "1" }],
    ["elements of this type are not read", { storage: "torch\nComplexFloatStorage" }],
    ['"posix.system", which is not plain data', { storage: "posix\nsystem" }],
  ])("is refused: %s", (message, given) => {
    expect(() => read(archive(tensorPickle("x", given)))).toThrow(message);
    expect(() => read(archive(tensorPickle("x", given)))).toThrow(CsrmError);
  });

  it("cannot run anything", () => {
    const target = join(folder, "pwned");
    for (const call of ["os\nsystem", "builtins\nexec", "torch.hub\nload", "torch\nload", "subprocess\nPopen"]) {
      expect(() => read(archive(`Vx\nc${call}\n(Vtouch ${target}\ntR`))).toThrow("is not loaded");
    }
    expect(() => readFileSync(target)).toThrow("ENOENT");
  });

  it("cannot make a few bytes into gigabytes", () => {
    const many = Array.from({ length: 3000 }, (_, i) => tensorPickle(`t${i}`, { elements: 4096, shape: [4096] }));
    expect(() => read(archive(many.join(""), { "a/data/0": new Uint8Array(16384) }))).toThrow("16 times the file");
    const bomb = writeZip(
      [
        { name: "a/data.pkl", data: Buffer.from("\x80\x02}.", "latin1") },
        { name: "a/data/0", data: new Uint8Array(2 ** 26) },
      ],
      9,
    );
    expect(() => read(bomb)).toThrow(/it unpacks to \d+ bytes/);
    expect(() => read(archive(`Vx\n\x8b${"\xff\xff\x0f\x00"}${"\x01".repeat(2 ** 20)}`))).toThrow("is too long");
  });

  it("that claims another size than it unpacks to is refused", () => {
    const lying = Buffer.from(golden("torch-deflated.pth"));
    // The sizes in the directory of the first storage.
    const at = lying.indexOf(
      Buffer.from("PK\x01\x02"),
      lying.indexOf("archive/data/0", lying.indexOf("PK\x01\x02")) - 46,
    );
    lying.writeUInt32LE(4096, at + 24);
    expect(() => read(lying)).toThrow(/storage "0" has 4096 bytes|its size of 4096 bytes is impossible/);
  });

  it("may not describe a storage in two ways, nor refer to itself as a network", () => {
    const second = tensorPickle("y", { elements: 2, shape: [2], storage: "torch\nDoubleStorage" });
    expect(() => read(archive(tensorPickle("x") + second))).toThrow('describes storage "0" in two ways');
    const cyclic = writeZip([{ name: "a/data.pkl", data: Buffer.from("\x80\x02}q\x00Vself\nh\x00s.", "latin1") }]);
    expect(() => read(cyclic)).toThrow("holds no tensors by name");
  });
});

describe("other files", () => {
  it.each<[string, string | Uint8Array]>([
    ["it is empty", ""],
    ["it is a web page", "<!DOCTYPE html><html>"],
    ["git lfs pull", "version https://git-lfs.github.com/spec/v1\n"],
    ["none of safetensors, PyTorch (.pth, .pt) and npz", "hello, I am a text"],
    ["neither data.pkl nor .npy", writeZip([{ name: "a.txt", data: Buffer.from("a") }])],
    ["it is a pickle, but not one of torch.save", Buffer.from("\x80\x02}.", "latin1")],
  ])("are named for what they are: %s", (message, bytes) => {
    expect(() => read(Buffer.from(bytes))).toThrow(message);
  });

  it("of safetensors are told apart, though their first bytes are a length that may look like a pickle or a zip", () => {
    for (const length of [0x80, 0x280, 0x4b50]) {
      const json = "{}".padEnd(length);
      const prefix = Buffer.alloc(8);
      prefix.writeBigUInt64LE(BigInt(length));
      expect(read(Buffer.concat([prefix, Buffer.from(json)])).format).toBe("safetensors");
    }
  });

  it("of NumPy are opened the same way", () => {
    const { format, tensors } = read(golden("cams-deflated.npz"));
    expect(format).toBe("npz");
    expect(tensors.get("keys")).toMatchObject({ dtype: "int64", shape: [3] });
    expect(numbers(tensors.get("cam")!)[12]).toBe(0.5);
  });
});

describe("encodeTorchFile", () => {
  const source = read(golden("torch-zip.pth")).tensors;
  const bytes = Buffer.concat(encodeTorchFile(source));

  it("makes a file that reads back the same", () => {
    expect(described(read(bytes).tensors)).toEqual(readGolden("torch-tensors"));
    expect([...readZip(bytes, "x").keys()]).toContain("archive/data/15");
  });

  it("writes numbers beyond one byte", () => {
    const big = new Map([["w", { dtype: "uint8" as const, shape: [70_000, 300], read: () => new Uint8Array(21e6) }]]);
    expect(read(Buffer.concat(encodeTorchFile(big))).tensors.get("w")!.shape).toEqual([70_000, 300]);
    const wrong = new Map([["w", { dtype: "uint8" as const, shape: [2], read: () => new Uint8Array(3) }]]);
    expect(() => encodeTorchFile(wrong)).toThrow('"w" has 3 bytes where 2 belong');
  });

  it.skipIf(!hasTorch)("makes a file that torch.load(weights_only=True) takes (needs Python with PyTorch)", () => {
    const file = join(folder, "ours.pth");
    writeFileSync(file, bytes);
    const script = `
import json, sys, torch
state = torch.load(sys.argv[1], weights_only=True)
print(json.dumps({k: {"dtype": str(t.dtype).split(".")[1], "shape": list(t.shape), "data": t.double().flatten().tolist()} for k, t in state.items()}))`;
    expect(JSON.parse(runPython(script, file))).toEqual(readGolden("torch-tensors"));
  });
});
