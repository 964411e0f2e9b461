/**
 * One process of a few whole steps of Puzzle-CAM and P-NOC in float64, started by test/training/together-starts.test.ts: each takes its
 * share of the same batches. Saves what it ends with, so that rounding is all that one process and several may differ by.
 */
import { joinProcesses, part, saveTensors, scope, tensor } from "../../src/torch/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { prepare, startOptimizer } from "../../src/training/network.ts";
import { OrdinaryClassifier } from "../../src/training/ordinary-classifier.ts";
import { startStep } from "../../src/training/start-step.ts";
import { ofWholeBatch, trainTogether } from "../../src/training/together.ts";
import { readWorld } from "../../src/world.ts";
import { tinyClassifier } from "../training/tiny-csrm.ts";
import { fillArray, fillModule } from "./fill.ts";
import { readGolden } from "./golden.ts";

const BATCH = 4;
const STEPS = 6;
const SIDE = 64;
const { classes, tag_rows, cases } = readGolden<{
  classes: number;
  tag_rows: number[][];
  cases: Record<string, { pretrain: Record<string, unknown> }>;
}>("starts");
const { rank, size, master } = readWorld();
if (size > 1) await joinProcesses({ rank, size, master: master!, joinSeconds: 60, timeoutSeconds: 30 });

function network(prefix: string) {
  const model = tinyClassifier(classes);
  fillModule(model, prefix);
  // Batch normalisation that learns would see each process's own images.
  prepare(model, { batch_norm: "frozen", freeze: "none" }, "cpu");
  return model.to({ dtype: "float64" });
}

/** This process's part of a step's images and tags. */
function share(step: number) {
  const own = BATCH / size;
  const places = Array.from({ length: own }, (_, i) => rank * own + i);
  const pixels = places.flatMap((place) => [...fillArray(`picture ${step} ${place}`, 3 * SIDE * SIDE, 4)]);
  return {
    images: tensor(Float64Array.from(pixels), { shape: [own, 3, SIDE, SIDE] }).sub(2),
    tags: tensor(places.map((place) => tag_rows[(step + 2 * place) % tag_rows.length]!)),
  };
}

for (const [name, { pretrain }] of Object.entries(cases)) {
  const recipe = recipeSchema.parse({ pretrain, seed: 5 });
  const model = network("");
  const second = recipe.pretrain.method === "pnoc" ? network("second.") : null;
  const ordinary = second
    ? new OrdinaryClassifier({ model: second, ...startOptimizer(second, recipe.pretrain), recipe })
    : undefined;
  const learner = { model, ...startOptimizer(model, recipe.pretrain) };
  const end = trainTogether(second ? [model, second] : [model], { seed: 5, device: "cpu" });
  const numbers: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    scope(() => {
      const { images, tags } = share(step);
      const chosen = ordinary?.draw(tags);
      const progress = { step, steps: STEPS };
      const given = { ...learner, ordinary, images, tags: tags.to("float64"), chosen };
      const { total, losses } = ofWholeBatch(startStep({ ...given, recipe, progress, precision: "fp32" }));
      numbers.push(...[total, ...Object.values(losses)].map((loss) => loss.item()));
    });
  }
  end();
  const tensors = new Map([...model.stateDict(), ["losses", tensor(Float64Array.from(numbers))]]);
  for (const [key, value] of second?.stateDict() ?? []) tensors.set(`second.${key}`, value);
  saveTensors(`${process.argv[2]}-${name}-${rank}of${size}.safetensors`, tensors, {});
}
part();
console.log("{}");
