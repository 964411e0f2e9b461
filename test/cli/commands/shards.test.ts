/** csrm predict, refine crf and evaluate in several processes: the same results as in one. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeIndexedPng } from "../../../src/formats/indexed-png.ts";
import { csrm } from "../../helpers/cli.ts";
import { picture, temporaryFolder, tinyModelFile, writePicture } from "../../inference/tiny.ts";

const main = join(import.meta.dirname, "../../../src/cli/main.ts");
const quick = ["--scales", "1", "--no-flip", "--size", "64", "--precision", "fp32", "--tags", "all"];
const ids = ["a", "b", "c", "trip/d", "trip/e", "f", "g"];

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts csrm as a process of its own. */
function start(
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ["--import", "tsx", main, ...args], { env: { ...process.env, ...env } });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.on("data", (data) => {
      texts[name] += String(data);
    });
  }
  const ended = new Promise<Ended>((resolve) => child.once("close", (code) => resolve({ code, ...texts })));
  return { child, ended };
}

/** The ranks of a launcher, all at once. */
function ranks(size: number, args: readonly string[]): Promise<Ended[]> {
  const one = (rank: number) => start(args, { RANK: String(rank), WORLD_SIZE: String(size), LOCAL_RANK: String(rank) });
  return Promise.all(Array.from({ length: size }, (_, rank) => one(rank).ended));
}

async function photographs(root: string): Promise<string> {
  const images = join(root, "photos");
  for (const [seed, id] of ids.entries()) await writePicture(join(images, `${id}.png`), picture(40 + seed, 37, seed));
  return images;
}

/** What a folder holds but for what shards say of themselves. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true }).map(String);
  const results = files.filter((file) => statSync(join(folder, file)).isFile() && !/(^|\/)shards\//.test(file));
  return Object.fromEntries(results.sort().map((file) => [file, readFileSync(join(folder, file)).toString("base64")]));
}

describe("csrm predict in shards", () => {
  it("of a launcher, at the same time, writes what one process writes, byte for byte", async () => {
    const root = temporaryFolder();
    const images = await photographs(root);
    writeFileSync(join(images, "h.png"), "no picture");
    const base = ["predict", "--model", tinyModelFile("csrm"), "--images", images, ...quick, "--crf", "--json"];
    const whole = JSON.parse((await csrm(...base, "--out", join(root, "one"))).stdout);
    const ended = await ranks(3, [...base, "--out", join(root, "three")]);
    expect(ended.map(({ code, stderr }) => [code, code === 0 ? "" : stderr])).toEqual(
      [0, 0, 0].map((code) => [code, ""]),
    );
    expect(contents(join(root, "three"))).toEqual(contents(join(root, "one")));
    expect(ended[1]!.stderr).toMatch(/^\[2\/3\] predict {2}3\/3 /m);
    const results = ended.map(({ stdout }) => JSON.parse(stdout));
    expect(results.map(({ images }) => images).sort()).toEqual([1, 3, 3]);
    const { images: count, skipped, predicted_tags } = whole;
    const complete = results.filter(({ shards }) => shards.all !== null);
    expect(complete.length).toBeGreaterThan(0);
    for (const { shards } of complete) {
      expect(shards).toMatchObject({ missing: [], all: { images: count, skipped, predicted_tags } });
    }
  });

  it("one at a time says which are missing, goes on where it was killed, and does nothing twice", async () => {
    const root = temporaryFolder();
    const images = await photographs(root);
    for (let i = 0; i < 20; i++) copyFileSync(join(images, "a.png"), join(images, `more-${i}.png`));
    const out = join(root, "masks");
    const base = ["predict", "--model", tinyModelFile("csrm"), "--images", images, ...quick, "--out", out];
    expect((await csrm(...base, "--shard", "2/2")).stdout).toContain("\nshard 2/2 is done; not yet: 1/2\n");

    const cams = () =>
      readdirSync(join(out, "cams"), { recursive: true }).filter((file) => String(file).endsWith(".npz"));
    const before = cams().length;
    const { child, ended } = start([...base, "--shard", "1/2"]);
    while (cams().length < before + 2 && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill("SIGKILL");
    expect((await ended).code).toBe(null);
    const kept = new Map(cams().map((file) => [file, statSync(join(out, "cams", String(file))).mtimeMs]));
    expect(kept.size).toBeLessThan(27);

    const again = await csrm(...base, "--shard", "1/2", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ images: 14, resumed: kept.size - before });
    expect(JSON.parse(again.stdout).shards).toMatchObject({ shard: "1/2", missing: [], all: { images: 27 } });
    for (const [file, time] of kept) expect(statSync(join(out, "cams", String(file))).mtimeMs).toBe(time);
    expect(readdirSync(join(out, "cams")).filter((name) => name.startsWith("."))).toEqual([]);

    const files = contents(out);
    for (const shard of [["--shard", "1/2"], []]) {
      const { stdout } = await csrm(...base, ...shard, "--json");
      expect(JSON.parse(stdout).resumed).toBe(shard.length > 0 ? 14 : 27);
    }
    expect(contents(out)).toEqual(files);
  });

  it("refuses other settings, --fresh, a second process of a shard, and more shards than photographs", async () => {
    const root = temporaryFolder();
    const images = await photographs(root);
    const out = join(root, "masks");
    const base = ["predict", "--model", tinyModelFile("csrm"), "--images", images, ...quick, "--out", out];
    await csrm(...base, "--shard", "1/2");
    const refused = async (...more: string[]) => {
      const { code, stderr } = await csrm(...base, "--shard", "2/2", ...more);
      return [code, stderr];
    };
    expect(await refused("--scales", "2")).toEqual([
      1,
      expect.stringMatching(/cams was made with other.*\n {2}scales: \[1\] → \[2\]/),
    ]);
    expect(await refused("--threshold", "0.5")).toEqual([
      1,
      expect.stringMatching(/pseudo was made with other.*\n {2}threshold/),
    ]);
    expect(await refused("--fresh")).toEqual([1, expect.stringContaining("expected no --fresh beside shards")]);
    expect(await refused("--shard", "3/9")).toEqual([1, expect.stringContaining("at most 7 shards for 7 photographs")]);
    expect(await refused("--shard", "3/2")).toEqual([1, expect.stringContaining("K in 1..N")]);
    const holder = { pid: process.pid, host: os.hostname(), birth: null, since: "then", beats: true };
    writeFileSync(join(out, ".lock-2-of-2"), JSON.stringify(holder));
    expect(await refused()).toEqual([
      1,
      expect.stringContaining(
        `process ${process.pid} on ${os.hostname()} (since then) is at work on shard 2/2 in ${out}`,
      ),
    ]);
    expect((await csrm(...base)).stderr).toContain("is at work on shard 2/2");
  });
});

/** Label maps and masks that differ here and there. */
function labelSet(root: string, folder: string, shift: number): string {
  for (const [seed, id] of ids.entries()) {
    const data = Uint8Array.from(
      { length: 40 * 37 },
      (_, i) => [0, 8, 12][((i >> 4) + seed + (i % 11 < shift ? 1 : 0)) % 3]!,
    );
    const file = join(root, folder, `${id}.png`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, encodeIndexedPng({ width: 40, height: 37, data }));
  }
  return join(root, folder);
}

describe("csrm refine crf in shards", () => {
  it("writes what one process writes, byte for byte, at the same time or one after the other", async () => {
    const root = temporaryFolder();
    for (const [seed, id] of ids.entries())
      await writePicture(join(root, "photos", `${id}.png`), picture(40, 37, seed));
    const base = ["refine", "crf", "--images", join(root, "photos"), "--labels", labelSet(root, "labels", 3)];
    await csrm(...base, "--out", join(root, "one"));
    const ended = await ranks(2, [...base, "--out", join(root, "two")]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    expect(ended.map(({ stdout }) => stdout).join("")).toContain("all 2 shards are done: 7 label maps\n");
    const three = [...base, "--out", join(root, "three")];
    for (const shard of ["3/3", "1/3", "2/3"]) await csrm(...three, "--shard", shard);
    for (const out of ["two", "three"]) expect(contents(join(root, out))).toEqual(contents(join(root, "one")));
    expect((await csrm(...three)).stdout).toContain("7 label maps (7 done before)");
    expect((await csrm(...three, "--shard", "1/3", "--gt-prob", "0.6")).stderr).toContain("gt_prob: 0.7 → 0.6");
    const anew = await csrm(...three, "--fresh", "--gt-prob", "0.6");
    expect([anew.code, existsSync(join(root, "three.old/a.png")), existsSync(join(root, "three/.lock"))]).toEqual([
      0,
      true,
      false,
    ]);
  });
});

describe("csrm evaluate in shards", () => {
  function scene() {
    const root = temporaryFolder();
    const [labels, masks] = [labelSet(root, "labels", 3), labelSet(root, "masks", 0)];
    return { root, labels, base: ["evaluate", "--predictions", labels, "--masks", masks, "--classes", "voc"] };
  }
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));

  it("gives the figures of one process, at the same time or one after the other", async () => {
    const { root, base } = scene();
    const [one, two, three] = ["one", "two", "three"].map((name) => join(root, `${name}.json`)) as [
      string,
      string,
      string,
    ];
    await csrm(...base, "--out", one);
    expect((await ranks(2, [...base, "--out", two])).map(({ code }) => code)).toEqual([0, 0]);
    expect(json(two)).toEqual(json(one));
    await csrm(...base, "--out", three, "--shard", "1/3");
    const last = await csrm(...base, "--out", three, "--shard", "3/3", "--json");
    expect(JSON.parse(last.stdout)).toMatchObject({ shard: "3/3", images: 2 });
    expect(existsSync(three)).toBe(false);
    const { stdout } = await csrm(...base, "--out", three, "--shard", "2/3", "--json");
    expect(JSON.parse(stdout)).toEqual(json(one));
    expect(json(three)).toEqual(json(one));
  });

  it("gives the figures of one process for scores, at every threshold", async () => {
    const root = temporaryFolder();
    const images = await photographs(root);
    const masks = join(root, "masks");
    for (const [seed, id] of ids.entries()) {
      const data = Uint8Array.from({ length: (40 + seed) * 37 }, (_, i) => [0, 8, 10, 12][(i >> 5) % 4]!);
      mkdirSync(dirname(join(masks, id)), { recursive: true });
      writeFileSync(join(masks, `${id}.png`), encodeIndexedPng({ width: 40 + seed, height: 37, data }));
    }
    await csrm("predict", "--model", tinyModelFile("csrm"), "--images", images, ...quick, "--out", join(root, "out"));
    const base = [
      "evaluate",
      "--predictions",
      join(root, "out"),
      "--masks",
      masks,
      "--classes",
      "voc",
      "--source",
      "mean",
    ];
    const whole = JSON.parse((await csrm(...base, "--json")).stdout);
    expect(whole.sweep.length).toBe(16);
    await csrm(...base, "--out", join(root, "s.json"), "--shard", "1/2");
    const { stdout } = await csrm(...base, "--out", join(root, "s.json"), "--shard", "2/2", "--json");
    expect(JSON.parse(stdout)).toEqual(whole);
  });

  it("without --shard counts what is missing only, and anew what has changed", async () => {
    const { root, labels, base } = scene();
    const out = join(root, "val.json");
    for (const shard of ["1/3", "3/3"]) await csrm(...base, "--out", out, "--shard", shard);
    const times = () => ["1", "2", "3"].map((k) => statSync(join(root, `val.shards/${k}-of-3.json`)).mtimeMs);
    const before = statSync(join(root, "val.shards/1-of-3.json")).mtimeMs;
    await csrm(...base, "--out", out);
    expect(times()[0]).toBe(before);
    expect(json(out)).toEqual(JSON.parse((await csrm(...base, "--json")).stdout));

    const counted = times();
    await csrm(...base, "--out", out, "--shard", "2/3");
    expect(times()).toEqual(counted);
    writeFileSync(join(labels, "a.png"), encodeIndexedPng({ width: 1, height: 1, data: Uint8Array.of(12) }));
    const { stdout } = await csrm(...base, "--out", out, "--shard", "2/3", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ shard: "2/3", missing: ["1/3"] });
    await csrm(...base, "--out", out);
    expect(times().map((time, k) => time === counted[k])).toEqual([false, true, true]);
    expect(json(out)).toEqual(JSON.parse((await csrm(...base, "--json")).stdout));
  });

  it("refuses other settings and damaged counts, and does not mix them in", async () => {
    const { root, base } = scene();
    const out = join(root, "val.json");
    await csrm(...base, "--out", out, "--shard", "1/2");
    const other = await csrm(...base, "--subset", "cat,dog", "--out", out, "--shard", "2/2");
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/made with other settings.*classes: .*delete .*val\.shards/s),
    ]);
    const alone = await csrm(...base, "--subset", "cat,dog", "--out", out, "--json");
    expect(alone.stderr).toContain("not using the counts");
    expect(JSON.parse(alone.stdout).names).toEqual(["background", "cat", "dog"]);
    expect((await csrm(...base, "--shard", "2/2")).stderr).toContain("expected --out FILE.json beside shards");

    const file = join(root, "val.shards/1-of-2.json");
    const part = json(file);
    part.result.confusion.counts.pop();
    writeFileSync(file, JSON.stringify(part));
    const damaged = await csrm(...base, "--out", out, "--shard", "2/2");
    expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringMatching(/part 1 of 2 in .*441 whole numbers/)]);
    rmSync(file);
    expect((await csrm(...base, "--out", out, "--shard", "2/2")).stdout).toContain("shard 2/2 is done; not yet: 1/2");
  });
});
