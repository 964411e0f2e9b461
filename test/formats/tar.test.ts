/** Tar archives: read back by the system's tar. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { tarPieces } from "../../src/formats/tar.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

const folder = temporaryFolder("tar");
const long = `${"d".repeat(60)}/${"e".repeat(60)}/${"f".repeat(90)}`;
const entries = [
  { name: "results/a.png", data: Uint8Array.of(1, 2, 3) },
  { name: "results/empty.png", data: new Uint8Array() },
  { name: long, data: new Uint8Array(1024).fill(7) },
  { name: "grün.txt", data: new Uint8Array(513).fill(8) },
];

function written(): string {
  const file = path.join(folder, "all.tar");
  writeFileSync(file, Buffer.concat(tarPieces(entries)));
  return file;
}

describe("tarPieces", () => {
  it("makes an archive that tar lists and unpacks, every byte as it was", () => {
    const file = written();
    const listed = execFileSync("tar", ["tvf", file, "--quoting-style=literal"], { encoding: "utf8" });
    const lines = listed.trim().split("\n");
    expect(lines.map((line) => line.split(" ").at(-1))).toEqual(entries.map(({ name }) => name));
    expect(lines[0]).toMatch(/^-rw-r--r-- .*\b3\b/);
    execFileSync("tar", ["xf", file, "-C", folder]);
    for (const { name, data } of entries) {
      expect(Buffer.compare(readFileSync(path.join(folder, name)), data), name).toBe(0);
    }
  });

  it("makes whole blocks and the same bytes each time", () => {
    const bytes = Buffer.concat(tarPieces(entries));
    expect(bytes.length).toBe(512 * (2 + 1 + 3 + 3 + 2));
    expect(Buffer.concat(tarPieces(entries)).equals(bytes)).toBe(true);
  });

  it("refuses a path that the format cannot hold", () => {
    const held = (name: string) => () => tarPieces([{ name, data: new Uint8Array() }]);
    expect(held("x".repeat(100))).not.toThrow();
    for (const name of ["", "x".repeat(101), `${"d".repeat(156)}/a`, `a/${"x".repeat(101)}`]) {
      expect(held(name)).toThrow(/path of 1 to 255 bytes/);
    }
  });
});
