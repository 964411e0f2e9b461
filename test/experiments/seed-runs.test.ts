/** Which runs make a table of refinements: of one recipe, one start and one CSRM a seed. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { refinementOfRuns } from "../../src/experiments/refinement.ts";
import { seedRunsIn } from "../../src/experiments/seed-runs.ts";
import { silentProgress } from "../../src/progress.ts";
import { dumpRecipe, loadRecipe } from "../../src/training/config.ts";
import { temporaryFolder } from "../helpers/tiny.ts";
import { evaluation, saveRun } from "./fixture.ts";

const quiet = () => {
  throw new Error("nothing to say");
};

/** A run that is done, with evaluations of these methods on val. */
function finishedRun(folder: string, methods: readonly string[], set: readonly string[] = []): string {
  const recipe = loadRecipe("toy-tiny", { set });
  const measured = methods.map((method) => evaluation([90, 50, 50], { split: "val", method }));
  saveRun(folder, measured, dumpRecipe(recipe));
  writeFileSync(path.join(folder, "summary.json"), "{}");
  return folder;
}

/** An ablation with these rows, of which every seed has these runs. */
function ablation(
  rows: Record<string, string>,
  runs: Record<number, readonly string[]>,
  recipe: readonly string[] = [],
) {
  const folder = path.join(temporaryFolder("seeds"), "ablation");
  for (const [seed, keys] of Object.entries(runs)) {
    for (const key of keys) {
      finishedRun(
        path.join(folder, "runs", `${key}-s${seed}`),
        [key === "start" ? "start" : "csrm"],
        [`seed=${seed}`, ...recipe],
      );
    }
  }
  mkdirSync(folder, { recursive: true });
  const seeds = Object.keys(runs).map(Number);
  const stored = { experiment: "ablation", rows, seeds, recipe: { name: "toy" } };
  writeFileSync(path.join(folder, "experiment.yaml"), JSON.stringify(stored));
  return folder;
}

const ROWS = { s: "L_s", m: "+ L_m" };

describe("runs for a table of refinements", () => {
  it("are run folders, one a seed, and the starts and last rows of an ablation", () => {
    const folder = ablation(ROWS, { 0: ["start", "s", "m"], 3: ["start", "s", "m"] });
    const run = finishedRun(
      path.join(temporaryFolder("seeds"), "run"),
      ["start", "csrm"],
      ["seed=5", "verify.steps=7", "predict.crf=false"],
    );
    const found = seedRunsIn([folder, run], quiet);
    expect(found.map(({ seed }) => seed)).toEqual([0, 3, 5]);
    expect(found[1]!.folders).toEqual(["start-s3", "m-s3"].map((name) => path.join(folder, "runs", name)));
    const methods = found.map(({ measured }) => measured.map(({ evaluation: each }) => each.method));
    expect(methods).toEqual([
      ["start", "csrm"],
      ["start", "csrm"],
      ["start", "csrm"],
    ]);
    expect(found[0]!.measured[1]!.run).toBe(path.join(folder, "runs/m-s0"));
  });

  it("never write their table over an experiment's", async () => {
    const folder = ablation(ROWS, { 0: ["start", "s", "m"] });
    const options = { supplies: [], merge: { rule: "best_fit" }, progress: silentProgress } as const;
    const refined = refinementOfRuns([folder], { ...options, out: folder });
    await expect(refined).rejects.toThrow(`${folder} is an experiment with a table of its own; choose another --out`);
  });

  it("leave out seeds that are not done, and say so", () => {
    const notes: string[] = [];
    const folder = ablation(ROWS, { 0: ["start", "m"], 1: ["start", "s"], 2: [] });
    const found = seedRunsIn([folder], (text) => void notes.push(text));
    expect(found.map(({ seed }) => seed)).toEqual([0]);
    expect(notes).toEqual([
      expect.stringMatching(/^seed 1 is left out: .*m-s1 is not done yet$/),
      expect.stringMatching(/^seed 2 is left out: .*start-s2 is not done yet$/),
    ]);
    const none = ablation(ROWS, { 1: ["start"] });
    expect(() => seedRunsIn([none], () => {})).toThrow("a seed whose start and last row are done");
  });

  it("have the row with every loss", () => {
    const folder = ablation({ s: "L_s", u: "+ L_u" }, { 0: ["start", "s", "u"] });
    expect(() => seedRunsIn([folder], quiet)).toThrow(
      /the row m \(\+ L_m\), which is CSRM .*--rows m on it adds the row/,
    );
  });

  it("are of one recipe: what differs beside the seed is listed", () => {
    const root = temporaryFolder("seeds");
    const a = finishedRun(path.join(root, "a"), ["start", "csrm"]);
    const b = finishedRun(path.join(root, "b"), ["start", "csrm"], ["seed=1", "schedule.steps=7"]);
    expect(() => seedRunsIn([a, b], quiet)).toThrow(
      /b is of another recipe than .*a \(a → b\):\n +schedule\.steps: 6 → 7\n/,
    );
    const c = finishedRun(path.join(root, "c"), ["start", "csrm"]);
    expect(() => seedRunsIn([a, c], quiet)).toThrow(/one run a seed for --runs, got ".*c".*a has seed 0, too/);
    const mixed = ablation(ROWS, { 1: ["start", "m"] }, ["pretrain.batch=3"]);
    expect(() => seedRunsIn([a, mixed], quiet)).toThrow("pretrain.batch: 4 → 3");
  });
});
