import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { requireFile, requireOutside } from "../../src/cli/paths.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-paths-"));
mkdirSync(join(root, "photos"));
symlinkSync(join(root, "photos"), join(root, "link"));

describe("an output folder", () => {
  it("may lie beside the inputs, not among them, by whatever name", () => {
    const photos = join(root, "photos");
    for (const out of ["masks", "photos-out", ".."]) requireOutside(join(root, out), photos);
    for (const out of ["photos", "photos/out", "photos/a/b", "link", "link/out"]) {
      expect(() => requireOutside(join(root, out), photos), out).toThrow("outside of the photographs'");
      expect(() => requireOutside(join(root, out), join(root, "link"), "the labels'"), out).toThrow("of the labels'");
    }
  });
});

describe("an output file", () => {
  it("has its ending and is none of the inputs", () => {
    const input = join(root, "classes.json");
    writeFileSync(input, "{}");
    requireFile(join(root, "new.JSON"), ".json", [input, undefined]);
    expect(() => requireFile(join(root, "photos/a.jpg"), ".json")).toThrow('expected a .json file for --out, got "');
    expect(() => requireFile(input, ".json", [input])).toThrow("expected another file than those that are read");
    symlinkSync(input, join(root, "other.json"));
    expect(() => requireFile(join(root, "other.json"), ".json", [input])).toThrow("another file");
  });
});
