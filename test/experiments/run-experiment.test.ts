/** Experiments that others work on too: processes with other seeds, csrm verify on a row. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { openExperiment, readExperiment } from "../../src/experiments/experiment-folder.ts";
import { isFinished, planOf } from "../../src/experiments/plan.ts";
import { ablationRows } from "../../src/experiments/rows.ts";
import { runExperiment } from "../../src/experiments/run-experiment.ts";
import { silentProgress } from "../../src/progress.ts";
import { lockFolder } from "../../src/run-lock.ts";
import { dumpRecipe, loadRecipe } from "../../src/training/config.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

it("writes its table with the seeds that another process added meanwhile", async () => {
  const out = path.join(temporaryFolder("experiment"), "ablation");
  const plan = planOf({
    ...{ experiment: "ablation", source: "toy-ablation", set: [], out },
    ...{ rows: ablationRows.slice(0, 1), seeds: [0] },
  });
  const shared = {
    ...plan,
    // Nothing to train; the other process comes while this one would.
    get jobs() {
      openExperiment({ ...plan, seeds: [1] });
      return [];
    },
  };
  const seen: (readonly number[])[] = [];
  await runExperiment(
    shared,
    (_, { seeds }) => {
      seen.push(seeds);
      return null;
    },
    silentProgress,
  );
  expect(seen).toEqual([[0, 1]]);
});

it("waits for a process that is adding to the experiment, and keeps what that added", async () => {
  const out = path.join(temporaryFolder("experiment"), "ablation");
  const common = { experiment: "ablation", source: "toy-ablation", set: [], out, rows: ablationRows.slice(0, 1) };
  await openExperiment(planOf({ ...common, seeds: [0] }));
  const lock = lockFolder(out, () => {});
  const waiting = openExperiment(planOf({ ...common, seeds: [2] }));
  await setTimeout(120);
  const file = path.join(out, "experiment.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("- 0\n", "- 0\n  - 1\n"));
  lock.release();
  expect((await waiting).seeds).toEqual([0, 1, 2]);
  expect(readExperiment(out).seeds).toEqual([0, 1, 2]);
  expect(readdirSync(out)).toEqual(["experiment.yaml"]);
});

it("takes a row for done that csrm verify was used on with settings of its own, but for none of another recipe", () => {
  const folder = path.join(temporaryFolder("experiment"), "row");
  const recipe = loadRecipe("toy-ablation");
  const stored = (set: string) => {
    writeFileSync(path.join(folder, "config.yaml"), dumpRecipe(loadRecipe("toy-ablation", { set: [set] })));
    return isFinished({ path: folder, recipe });
  };
  mkdirSync(folder);
  expect(stored("seed=0")).toBe(false);
  writeFileSync(path.join(folder, "summary.json"), "{}");
  expect(stored("verify.steps=7")).toBe(true);
  expect(() => stored("schedule.steps=7")).toThrow("schedule.steps: 7 → 220");
});

it("trains no verification network for a recipe that has one, unless asked for", () => {
  const folder = temporaryFolder("experiment");
  const source = path.join(folder, "verified.yaml");
  writeFileSync(source, "extends: toy\nverify: { enabled: true }\n");
  const enabled = (set: string[]) => {
    const { jobs } = planOf({ experiment: "ablation", source, set, rows: ablationRows, seeds: [0], out: folder });
    return new Set(jobs.map(({ recipe }) => recipe.verify.enabled));
  };
  expect(enabled([])).toEqual(new Set([false]));
  expect(enabled(["verify.enabled=true"])).toEqual(new Set([true]));
});
