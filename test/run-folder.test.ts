/** Run folders: going on, refusing another recipe, beginning anew, one process at a time. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os, { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { CsrmError } from "../src/errors.ts";
import { differencesToRun, type OpenRunOptions, openRun, type Run, recipeOfRun } from "../src/run-folder.ts";
import { loadRecipe } from "../src/training/config.ts";

const root = mkdtempSync(join(tmpdir(), "csrm-run-"));
afterAll(() => rmSync(root, { recursive: true }));

const recipeFile = join(root, "recipe.yaml");
writeFileSync(recipeFile, "data: {root: images}\n");
const recipe = loadRecipe(recipeFile);
const otherRecipe = loadRecipe(recipeFile, { set: ["seed=1", "optimizer.lr=0.1"] });

let count = 0;
const freshOut = () => join(root, `run-${count++}`);
const opened: Run[] = [];
afterEach(() => {
  for (const run of opened.splice(0)) run.close();
});
function open(out: string, options: Partial<OpenRunOptions> = {}): Run {
  const run = openRun({ out, recipe, ...options });
  opened.push(run);
  return run;
}

const json = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;

describe("openRun", () => {
  it("writes the resolved recipe and what it ran on", () => {
    const out = freshOut();
    const run = open(out, { commandLine: ["csrm", "run", "toy"], facts: { threads: 2 } });
    expect(run).toMatchObject({ path: out, resumed: false });
    expect(recipeOfRun(out)).toEqual(recipe);
    expect(json(join(out, "environment.json"))).toMatchObject({
      command: ["csrm", "run", "toy"],
      seed: 0,
      threads: 2,
      node: process.version,
      cpu: { cores: os.availableParallelism() },
      resumed: [],
    });
  });

  it("goes on with the same recipe and notes the second session", () => {
    const out = freshOut();
    open(out, { commandLine: ["first"] }).close();
    const run = open(out, { commandLine: ["second"] });
    expect(run.resumed).toBe(true);
    const environment = json(join(out, "environment.json"));
    expect(environment.command).toEqual(["first"]);
    expect(environment.resumed).toMatchObject([{ command: ["second"] }]);
  });

  it("refuses another recipe, listing every difference and the way out, and leaves the run as it was", () => {
    const out = freshOut();
    const first = open(out);
    first.stage("train").finish({ loss: 1 });
    first.close();
    const config = readFileSync(join(out, "config.yaml"), "utf8");
    expect(() => open(out, { recipe: otherRecipe })).toThrow(
      /another configuration[\s\S]*seed: 0 → 1\n {2}optimizer\.lr: 0\.007 → 0\.1\n[\s\S]*--fresh/,
    );
    expect(readFileSync(join(out, "config.yaml"), "utf8")).toBe(config);
    expect(open(out).resumed).toBe(true);
  });

  it("takes another recipe where a start came to nothing, so that a misspelt file can be put right", () => {
    const out = freshOut();
    const first = open(out, { commandLine: ["first"] });
    mkdirSync(join(first.stage("pretrain").path, "checkpoints"));
    first.close();
    expect(open(out, { recipe: otherRecipe, commandLine: ["second"] }).resumed).toBe(false);
    expect(recipeOfRun(out).seed).toBe(1);
    expect(json(join(out, "environment.json"))).toMatchObject({ command: ["second"], resumed: [] });
  });

  it("takes other values of keys that are read late, until something was predicted", () => {
    const out = freshOut();
    open(out).close();
    mkdirSync(join(out, "train"));
    writeFileSync(join(out, "train", "model.safetensors"), "");
    const late = loadRecipe(recipeFile, { set: ["data.lists.score=[val]", "predict.threshold=0.5"] });
    const run = open(out, { recipe: late });
    expect(run.resumed).toBe(true);
    expect(recipeOfRun(out)).toEqual(late);
    run.close();
    mkdirSync(join(out, "predict"));
    writeFileSync(join(out, "predict", "a.npz"), "");
    expect(() => open(out)).toThrow(/predict.threshold: 0.5 → "train"/);
  });

  it("takes another list to submit and another way to predict when the network is trained, and no other key of verification", () => {
    const out = freshOut();
    open(out).close();
    mkdirSync(join(out, "verify"));
    writeFileSync(join(out, "verify", "model.safetensors"), "");
    const set = ["verify.test=mine", "verify.predict.crf=false", "verify.predict.scales=[1]"];
    const other = loadRecipe(recipeFile, { set });
    open(out, { recipe: other }).close();
    expect(recipeOfRun(out)).toEqual(other);
    const longer = loadRecipe(recipeFile, { set: [...set, "verify.epochs=99"] });
    expect(() => open(out, { recipe: longer })).toThrow(/verify.epochs: .* → 99/);
  });

  it("goes on with a run that was begun before a key existed", () => {
    const out = freshOut();
    open(out).close();
    mkdirSync(join(out, "train"));
    writeFileSync(join(out, "train", "model.safetensors"), "");
    const file = join(out, "config.yaml");
    const older = readFileSync(file, "utf8").replace(/^ *sampler: .*\n/m, "");
    expect(older).not.toContain("sampler");
    writeFileSync(file, older);
    open(out).close();
    expect(() => open(out, { recipe: { ...recipe, batch: { ...recipe.batch, sampler: "balanced_class" } } })).toThrow(
      /batch.sampler: "shuffle" → "balanced_class"/,
    );
  });

  it("goes on where the folder was moved, with the data set inside it", () => {
    const [before, after] = [freshOut(), freshOut()];
    const inside = (out: string) => ({ ...recipe, data: { ...recipe.data, root: join(out, "data") } });
    open(before, { recipe: inside(before) }).close();
    renameSync(before, after);
    expect(open(after, { recipe: inside(after) }).resumed).toBe(true);
    expect(recipeOfRun(after).data.root).toBe(join(after, "data"));
  });

  it("goes on where it was moved together with the data set that it shares with others", () => {
    const [before, after] = [freshOut(), freshOut()];
    const rowOf = (home: string) => ({
      ...{ out: join(home, "runs", "row"), home },
      recipe: { ...recipe, data: { ...recipe.data, root: join(home, "data") } },
    });
    mkdirSync(join(before, "runs"), { recursive: true });
    const first = openRun(rowOf(before));
    first.stage("train").finish({ loss: 1 });
    first.close();
    renameSync(before, after);
    const { out } = rowOf(after);
    expect(differencesToRun(out, rowOf(after).recipe)).toEqual([]);
    expect(open(out, rowOf(after)).resumed).toBe(true);
    const late = loadRecipe(recipeFile, { set: ["verify.epochs=9"], values: { "data.root": join(after, "data") } });
    for (const run of opened.splice(0)) run.close();
    open(out, { recipe: late }).close();
    renameSync(after, before);
    expect(recipeOfRun(rowOf(before).out)).toMatchObject({
      data: { root: join(before, "data") },
      verify: { epochs: 9 },
    });
  });

  it("goes on with a run whose shared data set was told by its absolute path", () => {
    const home = freshOut();
    const out = join(home, "runs", "row");
    const shared = { ...recipe, data: { ...recipe.data, root: join(home, "data") } };
    mkdirSync(join(home, "runs"), { recursive: true });
    const first = open(out, { recipe: shared });
    first.stage("train").finish({ loss: 1 });
    first.close();
    expect(readFileSync(join(out, "config.yaml"), "utf8")).toContain(`root: ${home}`);
    expect(open(out, { recipe: shared, home }).resumed).toBe(true);
  });

  it("moves the old run aside and begins anew when asked to", () => {
    const out = freshOut();
    const first = open(out);
    first.stage("train").finish({ loss: 1 });
    first.close();
    const notes: string[] = [];
    const now = () => new Date("2026-03-04T05:06:07Z");
    const run = open(out, { recipe: otherRecipe, fresh: true, note: (text) => notes.push(text), now });
    const old = `${out}.old-20260304-050607`;
    expect(run.resumed).toBe(false);
    expect(recipeOfRun(out).seed).toBe(1);
    expect(run.stage("train").results()).toBeNull();
    expect(recipeOfRun(old).seed).toBe(0);
    expect(json(join(old, "train/done.json")).results).toEqual({ loss: 1 });
    expect(existsSync(join(old, ".lock"))).toBe(false);
    expect(notes).toEqual([`kept the old run as ${old}`]);
    run.close();
    open(out, { fresh: true, now });
    expect(existsSync(`${old}-2`)).toBe(true);
  });

  it("never touches a folder of something else, not even with fresh", () => {
    const out = freshOut();
    mkdirSync(out);
    writeFileSync(join(out, "thesis.tex"), "");
    for (const fresh of [false, true]) expect(() => open(out, { fresh })).toThrow(/holds files but no config\.yaml/);
    expect(readdirSync(out)).toEqual(["thesis.tex"]);
  });

  it("takes a folder in which a start was interrupted as empty", () => {
    const out = freshOut();
    mkdirSync(out);
    writeFileSync(join(out, ".csrm-1-abc.tmp"), "half");
    writeFileSync(join(out, ".lock"), "");
    // A lock without a name may be one that another process is just writing; one that stays so is nobody's.
    expect(() => open(out)).toThrow("another process is at work");
    const then = new Date(Date.now() - 60_000);
    utimesSync(join(out, ".lock"), then, then);
    expect(open(out).resumed).toBe(false);
  });

  it("names the path when a file is in the way", () => {
    const out = freshOut();
    writeFileSync(out, "");
    expect(() => open(out)).toThrow(
      `cannot make the folder ${out}: a file of that name is in the way; choose another --out`,
    );
    expect(() => open(join(out, "below"))).toThrow("below: a part of the path is a file");
  });

  it.skipIf(!existsSync("/proc/self"))("ends with an error below a folder that takes no children", () => {
    expect(() => open("/proc/csrm/run")).toThrow("cannot make the folder /proc/csrm/run");
  });

  it("tells which folder is no run when its recipe is asked for", () => {
    expect(() => recipeOfRun(join(root, "nowhere"))).toThrow(`no run folder at ${join(root, "nowhere")}`);
  });
});

describe("the lock of a run folder", () => {
  function errorOf(action: () => unknown): CsrmError {
    try {
      action();
    } catch (error) {
      if (error instanceof CsrmError) return error;
      throw error;
    }
    throw new Error("nothing was thrown");
  }

  it("keeps a second process out, also from beginning anew, until the first closes the run", () => {
    const out = freshOut();
    const first = open(out);
    for (const fresh of [false, true]) {
      const error = errorOf(() => open(out, { fresh }));
      expect(error.code).toBe("locked");
      expect(error.message).toContain(`process ${process.pid} on ${os.hostname()}`);
    }
    first.close();
    expect(open(out).resumed).toBe(true);
  });

  it("is taken over, with a note, when its process is gone", () => {
    const out = freshOut();
    open(out).close();
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    writeFileSync(join(out, ".lock"), JSON.stringify({ pid: gone, host: os.hostname(), birth: null, since: "then" }));
    const notes: string[] = [];
    open(out, { note: (text) => notes.push(text) });
    expect(notes).toEqual([`took over ${out} from process ${gone}, which is gone`]);
    expect(json(join(out, ".lock")).pid).toBe(process.pid);
  });

  it("is taken over by one process at a time, also after one that was killed while it did", () => {
    const out = freshOut();
    open(out).close();
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    const lockOf = (pid: number) => JSON.stringify({ pid, host: os.hostname(), birth: null, since: "then" });
    writeFileSync(join(out, ".lock"), lockOf(gone));
    writeFileSync(join(out, ".lock.turn"), lockOf(process.ppid));
    const error = errorOf(() => open(out));
    expect([error.code, error.message]).toEqual(["locked", expect.stringContaining(`process ${process.ppid} on`)]);
    expect(json(join(out, ".lock")).pid).toBe(gone);
    writeFileSync(join(out, ".lock.turn"), lockOf(gone));
    expect(open(out).resumed).toBe(true);
    expect(json(join(out, ".lock")).pid).toBe(process.pid);
    expect(readdirSync(out).filter((name) => name.startsWith(".lock"))).toEqual([".lock"]);
  });

  it.runIf(process.platform === "linux")(
    "is taken over when its process id belongs to a younger process by now",
    () => {
      const out = freshOut();
      open(out).close();
      const lock = { pid: process.pid, host: os.hostname(), birth: "another boot 1", since: "then" };
      writeFileSync(join(out, ".lock"), JSON.stringify(lock));
      expect(open(out).resumed).toBe(true);
    },
  );

  it("says which file to delete when another machine holds it", () => {
    const out = freshOut();
    open(out).close();
    writeFileSync(join(out, ".lock"), JSON.stringify({ pid: 1, host: "elsewhere", birth: null, since: "then" }));
    expect(errorOf(() => open(out)).message).toContain(`delete ${join(out, ".lock")}`);
    expect(json(join(out, ".lock")).host).toBe("elsewhere");
  });

  it("goes when the process ends", () => {
    const out = freshOut();
    const script = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, "../src/run-lock.ts"))};
      lockFolder(${JSON.stringify(root)}, () => {}); process.exit(3);`;
    const child = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(child.status, child.stderr).toBe(3);
    expect(existsSync(join(root, ".lock"))).toBe(false);
    expect(open(out).resumed).toBe(false);
  });
});

describe("a stage", () => {
  it("remembers its results once it is finished", () => {
    const out = freshOut();
    const run = open(out);
    expect(run.stage("predict").results()).toBeNull();
    run.stage("predict").finish({ images: 12, skipped: ["a"] });
    run.close();
    expect(open(out).stage("predict").results()).toEqual({ images: 12, skipped: ["a"] });
  });

  it("names the file when its marker was damaged", () => {
    const out = freshOut();
    const stage = open(out).stage("train");
    writeFileSync(join(stage.path, "done.json"), "{");
    expect(() => stage.results()).toThrow(`expected JSON in ${join(out, "train/done.json")}`);
  });

  it("appends metrics, and drops those of steps that a resumed run does again", () => {
    const stage = open(freshOut()).stage("train");
    const first = stage.metrics(null);
    for (let step = 1; step <= 5; step++) first.append({ step, losses: { c: step / 10 } });
    writeFileSync(stage.metricsFile, '{"step":6,"losses":{"c"', { flag: "a" });
    stage.metrics(3).append({ step: 4, losses: { c: 9 } });
    const lines = readFileSync(stage.metricsFile, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { step: 1, losses: { c: 0.1 } },
      { step: 2, losses: { c: 0.2 } },
      { step: 3, losses: { c: 0.3 } },
      { step: 4, losses: { c: 9 } },
    ]);
  });

  it("begins its metrics anew when nothing is resumed", () => {
    const stage = open(freshOut()).stage("pretrain");
    stage.metrics(null).append({ step: 1 });
    stage.metrics(null).append({ step: 1, loss: 2 });
    expect(readFileSync(stage.metricsFile, "utf8")).toBe('{"step":1,"loss":2}\n');
  });

  it.runIf(existsSync("/dev/full"))("names the file when the disk is full", () => {
    const stage = open(freshOut()).stage("train");
    const metrics = stage.metrics(null);
    symlinkSync("/dev/full", stage.metricsFile);
    expect(() => metrics.append({ step: 1 })).toThrow(`cannot write ${stage.metricsFile}: ENOSPC`);
  });

  it("writes the summary whole", () => {
    const run = open(freshOut());
    run.writeSummary({ seconds: 3 });
    expect(json(join(run.path, "summary.json"))).toEqual({ seconds: 3 });
  });
});
