/**
 * One process of a training, started by test/helpers/together.ts: joins the others where the environment names them, trains, and says how
 * it ended as one line of JSON. Dropout is off, since each process draws its own.
 */
import { messageOf } from "../../src/errors.ts";
import { silentProgress } from "../../src/progress.ts";
import { Stage } from "../../src/run-stage.ts";
import { joinProcesses, postMortem, type Tensor } from "../../src/torch/index.ts";
import { Dropout } from "../../src/torch/nn/index.ts";
import { openRecipeData } from "../../src/training/recipe-data.ts";
import { pretrainStage, trainStage } from "../../src/training/stages.ts";
import { verifyStage } from "../../src/training/verify-stage.ts";
import { readWorld } from "../../src/world.ts";
import { tinyRecipe } from "./tiny.ts";
import type { WorkerJob } from "./together.ts";

const { stages, root, set, timeout, fault, stopAt } = JSON.parse(process.argv[2]!) as WorkerJob;
Dropout.prototype.forward = (x: Tensor) => x;
const { rank, size, master } = readWorld();
const group =
  size > 1 ? await joinProcesses({ rank, size, master: master!, joinSeconds: 60, timeoutSeconds: timeout }) : null;
const recipe = tinyRecipe(root, set);
const dataset = await openRecipeData(recipe, recipe.data.lists.train);
const notes: string[] = [];
let steps = 0;
let noticed = 0;

function stop(): boolean {
  steps++;
  noticed = performance.now();
  if (fault && rank === fault.rank && steps === fault.step) {
    if (fault.kind === "kill") process.kill(process.pid, "SIGKILL");
    if (fault.kind === "hang") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    throw new Error("the disk is full");
  }
  return stopAt !== undefined && rank === stopAt.rank && steps >= stopAt.step;
}

try {
  let finished = true;
  let start = "";
  for (const { name, folder, start: given, labels } of stages) {
    const progress = { ...silentProgress, note: (text: string) => void notes.push(text) };
    const options = { stage: new Stage(name, folder), recipe, dataset, progress, stop };
    const work = {
      pretrain: () => pretrainStage(options),
      train: () => trainStage({ ...options, start: given ?? start }),
      verify: () => verifyStage({ ...options, labels: labels! }),
    };
    const result = await work[name]();
    start = result.model;
    finished &&= result.finished;
  }
  group?.leave();
  console.log(JSON.stringify({ rank, finished, notes }));
} catch (error) {
  const shown = group ? await postMortem(group, error) : error;
  console.log(JSON.stringify({ rank, error: messageOf(shown), seconds: (performance.now() - noticed) / 1000, notes }));
  process.exitCode = 1;
}
