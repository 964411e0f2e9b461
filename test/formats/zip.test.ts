import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readZip, writeZip } from "../../src/formats/zip.ts";
import { readDamaged } from "../helpers/damage.ts";

const members = [
  { name: "a/ä.txt", data: Buffer.from("hello hello hello hello") },
  { name: "empty", data: new Uint8Array(0) },
];
const readAll = (bytes: Uint8Array) =>
  [...readZip(bytes, "x.zip").values()].map((member) => [member.name, member.read()]);

describe.each([0, 9])("an archive of level %i", (level) => {
  const archive = writeZip(members, level);

  it("reads back, names and bytes", () => {
    const read = readZip(archive, "x.zip");
    expect([...read.keys()]).toEqual(["a/ä.txt", "empty"]);
    expect(Buffer.from(read.get("a/ä.txt")!.read()).toString()).toBe("hello hello hello hello");
    expect(read.get("a/ä.txt")!.size).toBe(23);
    expect(read.get("empty")!.read().length).toBe(0);
  });

  it("is found behind other bytes at its end, as comments are", () => {
    const commented = Buffer.concat([archive, Buffer.from("remark")]);
    commented.writeUInt16LE(6, archive.length - 2);
    expect([...readZip(commented, "x").keys()]).toEqual(["a/ä.txt", "empty"]);
  });

  it("answers every damage with a named error", () => {
    const { crashes, refused, prefixes } = readDamaged(archive, readAll);
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThan(prefixes + 100);
  });

  it("notices a changed byte by its checksum", () => {
    const broken = new Uint8Array(archive);
    broken[40]! ^= 4;
    expect(() => readAll(broken)).toThrow(/cannot read x.zip: a\/ä.txt: its checksum is wrong|cannot be unpacked/);
  });
});

describe("readZip", () => {
  it("says what it does not support: encryption, other methods, no archive at all", () => {
    const patch = (at: number, value: number) => {
      const archive = Buffer.from(writeZip(members, 0));
      archive.writeUInt16LE(value, archive.indexOf("PK\x01\x02") + at);
      return archive;
    };
    expect(() => readAll(patch(8, 1))).toThrow("x.zip: a/ä.txt: it is encrypted");
    expect(() => readAll(patch(10, 12))).toThrow("compression method 12 is not supported");
    expect(() => readZip(Buffer.from("hello"), "x.zip")).toThrow("cut off or not a zip archive");
    expect(() => readZip(writeZip([members[1]!, members[1]!]), "x.zip")).toThrow('it holds "empty" twice');
  });

  it("does not unpack more than the directory promises", () => {
    const archive = Buffer.from(writeZip([{ name: "bomb", data: new Uint8Array(1e6) }], 9));
    archive.writeUInt32LE(100, archive.indexOf("PK\x01\x02") + 24);
    expect(() => readAll(archive)).toThrow(/cannot be unpacked|unpacks to/);
  });

  it("reads sizes and places from zip64 fields", () => {
    const archive = Buffer.from(readFileSync(new URL("../golden/cams-stored.npz", import.meta.url)));
    const central = archive.indexOf("PK\x01\x02");
    const entry = archive.subarray(central);
    const [packed, size, offset] = [20, 24, 42].map((at) => BigInt(entry.readUInt32LE(at))) as [bigint, bigint, bigint];
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    [size, packed, offset].forEach((value, i) => void extra.writeBigUInt64LE(value, 4 + i * 8));
    for (const at of [20, 24, 42]) entry.writeUInt32LE(0xffffffff, at);
    entry.writeUInt16LE(28, 30);
    const nameEnd = central + 46 + entry.readUInt16LE(28);
    const end = archive.lastIndexOf("PK\x05\x06");
    const directory = Buffer.concat([archive.subarray(central, nameEnd), extra, archive.subarray(nameEnd, end)]);
    const end64 = Buffer.alloc(56);
    end64.write("PK\x06\x06", "latin1");
    end64.writeBigUInt64LE(2n, 32);
    end64.writeBigUInt64LE(BigInt(central), 48);
    const locator = Buffer.alloc(20);
    locator.write("PK\x06\x07", "latin1");
    locator.writeBigUInt64LE(BigInt(central + directory.length), 8);
    const last = Buffer.from(archive.subarray(end));
    last.writeUInt16LE(0xffff, 10);
    last.writeUInt32LE(0xffffffff, 16);
    const wide = Buffer.concat([archive.subarray(0, central), directory, end64, locator, last]);
    expect(readAll(wide)).toEqual(readAll(readFileSync(new URL("../golden/cams-stored.npz", import.meta.url))));
  });
});
