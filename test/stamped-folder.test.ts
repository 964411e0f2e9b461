/** Folders that remember the settings of their files. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { temporaryName } from "../src/files.ts";
import { openStamped, stampOf } from "../src/stamped-folder.ts";

let folder = "";
beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), "csrm-test-"));
  folder = join(root, "results");
  onTestFinished(() => rmSync(root, { recursive: true }));
});

describe("a stamped folder", () => {
  it("is cleared of what killed processes left half written in it when work begins or goes on there", () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const leave = (name: string) => writeFileSync(temporaryName(join(folder, name), pid), "half");
    const files = () => readdirSync(folder, { recursive: true }).sort();
    mkdirSync(folder);
    leave("settings.json");
    openStamped(folder, {});
    expect(files()).toEqual(["settings.json"]);
    mkdirSync(join(folder, "trip"));
    for (const name of ["a.png", "trip/b.png"]) leave(name);
    expect(files()).toHaveLength(4);
    openStamped(folder, {});
    expect(files()).toEqual(["settings.json", "trip"]);
  });

  it("is made with its settings and opens again with the same", () => {
    expect(stampOf(folder)).toBe(null);
    const settings = { scales: [0.5, 1], flip: true, threshold: null };
    openStamped(folder, settings);
    openStamped(folder, { ...settings });
    expect(stampOf(folder)).toEqual(settings);
  });

  it("names every setting that differs, also those that only one side has", () => {
    openStamped(folder, { scales: [0.5, 1], flip: true });
    const reopen = () => openStamped(folder, { scales: [1], flip: true, size: "original" });
    expect(reopen).toThrow('scales: [0.5,1] → [1]\n  size: nothing → "original"\nchoose another --out');
  });

  it("moves aside, never away, when told to begin anew", () => {
    const notes: string[] = [];
    for (const name of ["a", "b", "c"]) {
      openStamped(folder, { name }, { fresh: true, note: (text) => notes.push(text) });
      writeFileSync(join(folder, name), "");
    }
    expect(readdirSync(folder).sort()).toEqual(["c", "settings.json"]);
    expect(existsSync(join(`${folder}.old`, "a"))).toBe(true);
    expect(existsSync(join(`${folder}.old-2`, "b"))).toBe(true);
    expect(notes).toEqual([`kept the old results as ${folder}.old`, `kept the old results as ${folder}.old-2`]);
  });

  it("moves aside only what has other settings when told so", () => {
    openStamped(folder, { name: "a" });
    writeFileSync(join(folder, "a"), "");
    openStamped(folder, { name: "a" }, { fresh: "if-other" });
    expect(readdirSync(folder).sort()).toEqual(["a", "settings.json"]);
    openStamped(folder, { name: "b" }, { fresh: "if-other" });
    expect(readdirSync(folder)).toEqual(["settings.json"]);
    expect(existsSync(join(`${folder}.old`, "a"))).toBe(true);
  });

  it("is not made of a folder with other files, but of one with what an interrupted write left", () => {
    openStamped(folder, {});
    rmSync(join(folder, "settings.json"));
    writeFileSync(join(folder, ".csrm-12-ab.tmp"), "");
    openStamped(folder, {});
    rmSync(join(folder, "settings.json"));
    writeFileSync(join(folder, "mine.txt"), "");
    expect(() => openStamped(folder, {})).toThrow("(mine.txt) but no settings.json");
    expect(() => openStamped(folder, {}, { fresh: true })).toThrow("choose another --out");
  });

  it("that several processes make at once gets the settings of one, and refuses the others'", async () => {
    const script = (
      name: string,
    ) => `import { openStamped } from ${JSON.stringify(join(import.meta.dirname, "../src/stamped-folder.ts"))};
      process.stdout.write("ready");
      process.stdin.once("data", () => {
        try { openStamped(${JSON.stringify(folder)}, { name: "${name}" }); process.exit(0); }
        catch (error) { process.exit(error.code === "config" ? 3 : 4); }
      });`;
    const children = ["a", "b", "a", "b"].map((name) =>
      spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script(name)]),
    );
    await Promise.all(children.map((child) => new Promise((ready) => child.stdout.once("data", ready))));
    const codes = children.map((child) => new Promise((ended) => child.once("exit", ended)));
    for (const child of children) child.stdin.end("go");
    expect(await Promise.all(codes)).toEqual(stampOf(folder)!.name === "a" ? [0, 3, 0, 3] : [3, 0, 3, 0]);
    expect(readdirSync(folder)).toEqual(["settings.json"]);
  });

  it("with a damaged stamp is an error naming it", () => {
    openStamped(folder, {});
    writeFileSync(join(folder, "settings.json"), "{");
    expect(() => openStamped(folder, {})).toThrow(join(folder, "settings.json"));
  });
});
