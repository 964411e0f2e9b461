import { spawnSync } from "node:child_process";
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  linkFileSync,
  readFileBytes,
  readTextSync,
  removeAbandoned,
  temporaryName,
  writeFileAtomic,
  writeFileAtomicSync,
} from "../src/files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "csrm-files-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const writers = {
  writeFileAtomic,
  writeFileAtomicSync: async (...args: Parameters<typeof writeFileAtomicSync>) => writeFileAtomicSync(...args),
};

describe.each(Object.entries(writers))("%s", (_, write) => {
  it("writes text, bytes and pieces, makes folders, replaces what was there and leaves nothing beside", async () => {
    const path = join(folder, "a", "b", "file");
    await write(path, "täxt");
    expect(readFileSync(path, "utf8")).toBe("täxt");
    await write(path, Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    await write(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
    expect([...readFileSync(path)]).toEqual([3, 4, 5]);
    expect(readdirSync(join(folder, "a", "b"))).toEqual(["file"]);
  });

  it("accepts a name as long as the file system allows", async () => {
    const path = join(folder, "x".repeat(255));
    await write(path, "ok");
    expect(readFileSync(path, "utf8")).toBe("ok");
  });

  it("names the file when a folder is in the way, and removes its temporary file", async () => {
    fs.mkdirSync(join(folder, "taken"));
    await expect(write(join(folder, "taken"), "x")).rejects.toThrow(/cannot write .*taken: a folder of that name/);
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  it.runIf(process.platform === "linux")("ends below a folder that takes no children", async () => {
    const message = /cannot write \/proc\/csrm\/a\/b\.txt: no folder can be made there/;
    expect(() => writeFileAtomicSync("/proc/csrm/a/b.txt", "x")).toThrow(message);
    await expect(writeFileAtomic("/proc/csrm/a/b.txt", "x")).rejects.toThrow(message);
  });

  it("names the file when a part of the path is a file", async () => {
    writeFileSync(join(folder, "plain"), "");
    await expect(write(join(folder, "plain", "x"), "x")).rejects.toThrow(
      /plain\/x: a part of the path is not a folder/,
    );
  });
});

describe("a second name of a file", () => {
  it("replaces what had it, and leaves nothing beside even when both were the same file already", () => {
    const [from, to] = [join(folder, "a"), join(folder, "b")];
    writeFileSync(from, "new");
    writeFileSync(to, "old");
    for (let i = 0; i < 2; i++) {
      expect(linkFileSync(from, to)).toBe(true);
      expect(readFileSync(to, "utf8")).toBe("new");
      expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
    }
    expect(linkFileSync(join(folder, "gone"), to)).toBe(false);
    expect(readdirSync(folder).sort()).toEqual(["a", "b"]);
  });
});

describe("a full disk", () => {
  const full = () => Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });

  it("is named, keeps the old file and leaves no temporary file (sync)", () => {
    const path = join(folder, "model");
    writeFileSync(path, "old");
    vi.spyOn(fs, "writeSync").mockImplementation(() => {
      throw full();
    });
    expect(() => writeFileAtomicSync(path, "new")).toThrow(`cannot write ${path}: disk full`);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["model"]);
  });

  it("is named, keeps the old file and leaves no temporary file (async)", async () => {
    const path = join(folder, "model");
    writeFileSync(path, "old");
    const open = fs.promises.open;
    vi.spyOn(fs.promises, "open").mockImplementation(async (...args) => {
      const handle = await open(...args);
      vi.spyOn(handle, "sync").mockRejectedValue(full());
      return handle;
    });
    await expect(writeFileAtomic(path, "new")).rejects.toThrow(`cannot write ${path}: disk full`);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["model"]);
  });
});

describe("reading", () => {
  it("names an absent file, and a folder taken for a file", async () => {
    await expect(readFileBytes(join(folder, "no"))).rejects.toThrow(`cannot read ${join(folder, "no")}: no such file`);
    expect(() => readTextSync(folder)).toThrow("it is a folder");
  });

  it("drops a byte order mark from text", () => {
    writeFileSync(join(folder, "t"), "\uFEFFa,b");
    expect(readTextSync(join(folder, "t"))).toBe("a,b");
  });
});

describe("what killed writers left", () => {
  /** Writes a temporary file as process `pid` would. @param age seconds since its last change */
  const plant = (
    pid: number,
    { age = 0, below = ".", machine }: { age?: number; below?: string; machine?: string } = {},
  ) => {
    mkdirSync(join(folder, below), { recursive: true });
    const own = temporaryName(join(folder, below, "result.png"), pid);
    const path = machine === undefined ? own : own.replace(/csrm-[0-9a-f]{8}/, `csrm-${machine}`);
    writeFileSync(path, "half");
    const then = Date.now() / 1000 - age;
    fs.utimesSync(path, then, then);
    return path;
  };
  const gone = () => spawnSync(process.execPath, ["--version"]).pid;

  it("is removed, also below, as soon as their processes are gone; results stay", () => {
    const half = [plant(gone()), plant(gone(), { below: "trip/day" })];
    // The same process id as ours, but from before we began.
    half.push(plant(process.pid, { age: 3600 }));
    writeFileSync(join(folder, "trip", "result.png"), "whole");
    removeAbandoned(folder);
    expect(half.filter((path) => fs.existsSync(path))).toEqual([]);
    expect(fs.existsSync(join(folder, "trip", "result.png"))).toBe(true);
    expect(() => removeAbandoned(join(folder, "none"))).not.toThrow();
  });

  it("stays while somebody may be writing: a live process, this one, or one on another machine within a day", () => {
    const live = [plant(process.ppid), plant(process.pid), plant(gone(), { machine: "00000000" })];
    const old = plant(gone(), { machine: "00000000", age: 2 * 86_400 });
    removeAbandoned(folder);
    expect(live.filter((path) => !fs.existsSync(path))).toEqual([]);
    expect(fs.existsSync(old)).toBe(false);
  });
});
