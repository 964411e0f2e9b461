/**
 * One process of a few whole steps in float64, started by test/training/together.test.ts: each takes its share of the same batches. Saves
 * what it ends with, so that rounding is all that one process and several may differ by. No dropout, no mixing.
 */
import { Rng } from "../../src/data/rng.ts";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import {
  fromTypedArray,
  joinProcesses,
  manualSeed,
  part,
  saveTensors,
  scope,
  type Tensor,
  tensor,
} from "../../src/torch/index.ts";
import { Dropout } from "../../src/torch/nn/index.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { csrmStep } from "../../src/training/csrm-step.ts";
import { createOptimizer, prepare } from "../../src/training/network.ts";
import { ofWholeBatch, trainTogether } from "../../src/training/together.ts";
import { updateNetworks } from "../../src/training/update.ts";
import { readWorld } from "../../src/world.ts";
import { tinyCsrm } from "../training/tiny-csrm.ts";
import { fillArray, fillModule } from "./fill.ts";
import { readGolden } from "./golden.ts";

const HALF = 4;
const STEPS = 8;
const WARMUP = 2;
const golden = readGolden<{
  size: number;
  classes: number;
  head_channels: number;
  tag_rows: number[][];
  cases: Record<string, { recipe: Record<string, unknown> }>;
}>("training");
const { size: side, classes, head_channels: channels, tag_rows: rows } = golden;
const { rank, size, master } = readWorld();
if (size > 1) await joinProcesses({ rank, size, master: master!, joinSeconds: 60, timeoutSeconds: 30 });
Dropout.prototype.forward = (x: Tensor) => x;

/** Blocks of colours, so that there is something to segment. */
function picture(n: number): Uint8Array {
  const colours = fillArray(`picture ${n}`, 8 * 8 * 3, 256);
  return Uint8Array.from({ length: side * side * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
    const block = Math.floor((y * 8) / side) * 8 + Math.floor((x * 8) / side);
    return Math.floor(colours[3 * block + (i % 3)]!);
  });
}

/** This process's share: of the labelled images, then of the others, one of which has no tags. */
function batch(step: number) {
  const share = HALF / size;
  const own = (from: number) => Array.from({ length: share }, (_, i) => from + rank * share + i);
  const places = [...own(0), ...own(HALF)];
  const bytes = Buffer.concat(places.map((place) => picture(step * 2 * HALF + place)));
  const pixels = fromTypedArray(new Uint8Array(bytes), [places.length, side, side, 3]);
  const untagged = new Array<number>(classes).fill(-1);
  return {
    pixels,
    images: pixels.to("float64").div(255).sub(0.5).permute([0, 3, 1, 2]).mul(4),
    tags: tensor(places.map((place) => (place === 2 * HALF - 1 ? untagged : rows[(step + 2 * place) % rows.length]!))),
    labelled: share,
  };
}

for (const [name, { recipe: given }] of Object.entries(golden.cases)) {
  const recipe = recipeSchema.parse({ ...given, classmix: { probability: 0 } });
  const build = () => {
    const network = tinyCsrm(classes, channels);
    fillModule(network);
    prepare(network, recipe.model, "cpu");
    return network.to({ dtype: "float64" });
  };
  const [student, teacher] = [build(), build()];
  for (const parameter of teacher.parameters()) parameter.requiresGrad_(false);
  const { optimizer, setFactor } = createOptimizer(student, recipe.optimizer);
  const bank = new MemoryBank({ classes: classes + 1, channels, ...recipe.contrast.bank, dtype: "float64" });
  manualSeed(7);
  const end = trainTogether([student, teacher], { seed: 7, device: "cpu" });
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    scope(() => {
      const progress = { step, warmup: WARMUP, steps: STEPS };
      const rng = new Rng(0, "unused");
      const common = { student, teacher, bank, rng, recipe, progress, precision: "fp32" as const };
      const output = csrmStep({ ...common, ...batch(step) });
      const whole = ofWholeBatch({ ...output, norm: null });
      losses.push(...Object.values(whole.losses).map((loss) => loss.item()));
      updateNetworks({ ...common, total: output.total, optimizer, setFactor });
    });
  }
  end();
  const tensors = new Map([...student.stateDict(), ["bank", bank.state().tensors.get("rows")!]]);
  for (const [key, value] of teacher.stateDict()) tensors.set(`teacher.${key}`, value);
  tensors.set("losses", tensor(Float64Array.from(losses)));
  saveTensors(`${process.argv[2]}-${name}-${rank}of${size}.safetensors`, tensors, {});
}
part();
console.log("{}");
