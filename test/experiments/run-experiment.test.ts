/** The table of an experiment that several processes work on. */
import path from "node:path";
import { expect, it } from "vitest";
import { openExperiment } from "../../src/experiments/experiment-folder.ts";
import { planOf } from "../../src/experiments/plan.ts";
import { ablationRows } from "../../src/experiments/rows.ts";
import { runExperiment } from "../../src/experiments/run-experiment.ts";
import { silentProgress } from "../../src/progress.ts";
import { temporaryFolder } from "../helpers/tiny.ts";

it("is written with the seeds that another process added meanwhile", async () => {
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
