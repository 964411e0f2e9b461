/** Puzzle-CAM, P-NOC and the verification network in two processes end as in one with the whole batch; every test starts real ones. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { encodeIndexedPng } from "../../src/formats/indexed-png.ts";
import { processGroupBackends } from "../../src/torch/index.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "../helpers/tiny.ts";
import { startTraining, startWorker, trainIn, type WorkerJob } from "../helpers/together.ts";
import { checkpointOf, differences, expectEqualSteps, expectSame } from "../helpers/together-checks.ts";

const COMMON = ["threads=1", "precision=fp32"];
let root: string;

function job(stage: Omit<WorkerJob["stages"][number], "folder">, set: string[]): WorkerJob {
  return { root, stages: [{ ...stage, folder: temporaryFolder(stage.name) }], set: [...COMMON, ...set], timeout: 300 };
}

describe.skipIf(!processGroupBackends().includes("gloo"))("two processes", () => {
  beforeAll(async () => {
    root = await tinyData();
  });

  it("learn by Puzzle-CAM and P-NOC from the whole batch, both networks, to the rounding of float64", async () => {
    await expectEqualSteps(startWorker, ["puzzle", "pnoc", "other numbers"]);
  });

  it("end P-NOC bit by bit as if none had been killed, when they go on", async () => {
    // In float32 a rounding that turns the sign of a difference of maps, or a pixel over the threshold, is no small difference, so
    // this compares two with two.
    const set = ["pretrain={method: pnoc, epochs: 1, batch_norm: frozen}", "checkpoints.every_steps=1"];
    const [whole, broken] = [job({ name: "pretrain" }, set), job({ name: "pretrain" }, set)];
    for (const each of await trainIn(2, whole)) expect(each).toMatchObject({ finished: true });
    // The first three steps are the second classifier's.
    const { results } = await startTraining(2, { ...broken, fault: { kind: "kill", rank: 1, step: 3 + 2 } });
    expect((await results[0]!).error).toMatch(/^process 1 is gone, or silent for too long/);
    expect(checkpointOf(broken, "pretrain").step).toBe(1);
    for (const each of await trainIn(2, broken)) expect(each).toMatchObject({ finished: true });
    expect(differences(whole, broken, "pretrain", true)).toEqual({
      model: 0,
      optimizer: 0,
      ordinary: 0,
      ordinary_optimizer: 0,
    });
    expect(checkpointOf(broken, "pretrain").state.erasure).toEqual(checkpointOf(whole, "pretrain").state.erasure);
  });

  it("end a verification with the network of one, though they were stopped and went on", async () => {
    const labels = path.join(temporaryFolder("labels"), "labels");
    mkdirSync(labels);
    const recipe = tinyRecipe(root);
    const { samples } = await openRecipeData(recipe, recipe.data.lists.train);
    for (const [i, { id }] of samples.entries()) {
      // A different number of known pixels each, so that a mean over one's own would show.
      const data = Uint8Array.from({ length: 64 * 64 }, (_, at) =>
        at < 200 * i ? 255 : at % 64 < 30 ? 0 : 1 + (i % 3),
      );
      writeFileSync(path.join(labels, `${id}.png`), encodeIndexedPng({ data, width: 64, height: 64 }));
    }
    const verify = "verify={steps: 5, batch_norm: frozen, optimizer: sgd, lr: 0.005}";
    const [two, alone] = [job({ name: "verify", labels }, [verify]), job({ name: "verify", labels }, [verify])];
    for (const each of await trainIn(2, { ...two, stopAt: { rank: 1, step: 2 } }))
      expect(each).toMatchObject({ finished: false });
    expect(checkpointOf(two, "verify").step).toBe(2);
    for (const each of await trainIn(2, two)) expect(each).toMatchObject({ finished: true });
    expect(await trainIn(1, alone)).toMatchObject([{ finished: true }]);
    expectSame(alone, two, "verify");
  });
});
