/**
 * Pseudo-labels of photographs: network with test-time augmentation, label maps, dense CRF, with the stages and files of
 * `csrm predict` and `csrm refine crf`. The networks have random weights, which takes as long as others. `npm run bench -- predict`
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { decodeLabelPng } from "../src/formats/indexed-png.ts";
import { writeLabels } from "../src/inference/label-stage.ts";
import { predictSettings } from "../src/inference/predict-settings.ts";
import { predictCams } from "../src/inference/predict-stage.ts";
import { buildModel, type ModelInfo, saveModel } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import { refineCrf } from "../src/refine/crf-stage.ts";
import { manualSeed, noGrad, randn, scope, setThreads } from "../src/torch/index.ts";
import { type Recipe, recipeSchema } from "../src/training/config.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { photographs } from "./lib/photographs.ts";
import { type Row, report } from "./lib/result.ts";
import { duration, significant } from "./lib/table.ts";
import { inTurn, ratioOf, secondsOf, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

/** Background thresholds to try: random networks have no usual one, and the CRF needs at least two labels in every map. */
const THRESHOLDS = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

interface Way {
  what: string;
  images: number;
  /** What differs from a recipe's defaults. */
  recipe: object;
}

const options = parseCase({});
const { device, threads, quick } = options;
const rounds = roundsOf(options, 3);
setThreads(threads);
manualSeed(0);

const ways: Way[] = [
  {
    what: "MobileNetV2 at 256², scales .75, 1, 1.25 and flip, CRF at half size",
    images: quick ? 2 : 12,
    recipe: {
      model: { backbone: "mobilenet_v2", head_channels: 128, decoder_stride: 8 },
      data: { size: [256, 256] },
      predict: { source: "mean", size: "training", scales: [0.75, 1, 1.25] },
      refine: { crf: { crf_scale: 0.5 } },
    },
  },
  {
    what: "ResNeSt-50 at the photograph's size, scales .5, 1, 1.5, 2 and flip, CRF at full size",
    images: quick ? 1 : 2,
    recipe: { model: { backbone: "resnest50" }, predict: { source: "mean" } },
  },
];

/** A network of random weights, but for positive ones behind the activation maps, which would else be empty for half of the classes. */
function saveRandomModel(
  file: string,
  { model: { backbone, output_stride, head_channels, decoder_stride } }: Recipe,
): void {
  const info: ModelInfo & { kind: "csrm" } = {
    ...imagenet,
    kind: "csrm",
    backbone,
    outputStride: output_stride,
    padding: "symmetric",
    headChannels: head_channels,
    decoderStride: decoder_stride,
    classes: all.classes,
  };
  const network = buildModel(info);
  noGrad(() => scope(() => void network.classifier.weight.copy_(network.classifier.weight.abs())));
  saveModel(file, network, info);
  network.dispose();
}

/** Network, label maps and CRF over a way's photographs. @returns the seconds of each an image */
async function predict(way: Way, { model, out, threshold }: { model: string; out: string; threshold: number }) {
  const recipe = recipeSchema.parse({ ...way.recipe, device });
  const dataset = { ...all, samples: all.samples.slice(0, way.images) };
  const ids = dataset.samples.map(({ id }) => id);
  const times = [performance.now()];
  await predictCams({ model, dataset, out, settings: predictSettings(recipe) });
  times.push(performance.now());
  const { dir } = await writeLabels({ out, ids, threshold, fresh: "if-other" });
  times.push(performance.now());
  await refineCrf({
    images: dataset,
    labels: dir,
    out: path.join(out, "refined"),
    params: recipe.refine.crf,
    fresh: "if-other",
  });
  times.push(performance.now());
  const [network, labels, crf] = times.slice(1).map((time, i) => (time - times[i]!) / 1000 / ids.length);
  return { network: network!, labels: labels!, crf: crf!, dir, ids };
}

/** The CRF has nothing to do where a map holds one label only. */
function holdTwoLabels({ dir, ids }: { dir: string; ids: readonly string[] }): boolean {
  return ids.every((id) => {
    const file = path.join(dir, `${id}.png`);
    return new Set(decodeLabelPng(readFileSync(file), file).data).size > 1;
  });
}

async function measureWay(way: Way, index: number): Promise<Row> {
  const model = path.join(folder, `model-${index}.safetensors`);
  saveRandomModel(model, recipeSchema.parse(way.recipe));
  const out = path.join(folder, `out-${index}`);
  // The search warms up, too.
  let threshold: number | undefined;
  for (const candidate of THRESHOLDS) {
    if (!holdTwoLabels(await predict(way, { model, out, threshold: candidate }))) continue;
    threshold = candidate;
    break;
  }
  if (threshold === undefined) throw new Error(`no threshold gives every photograph of "${way.what}" two labels`);
  yardstick();
  const phases: Awaited<ReturnType<typeof predict>>[] = [];
  const run = async () => {
    rmSync(out, { recursive: true });
    const phase = await predict(way, { model, out, threshold });
    phases.push(phase);
    return phase.network + phase.labels + phase.crf;
  };
  const measured = await inTurn(rounds, { run, yardstick: () => secondsOf(yardstick) });
  const part = (name: "network" | "labels" | "crf") => duration(timingOf(phases.map((phase) => phase[name])).median);
  return {
    what: way.what,
    value: timingOf(measured.run),
    peer: timingOf(measured.yardstick),
    ratio: ratioOf(measured.run, measured.yardstick),
    more: {
      "images/s": significant(1 / timingOf(measured.run).median),
      network: part("network"),
      "label maps": part("labels"),
      CRF: part("crf"),
    },
  };
}

const folder = mkdtempSync(path.join(tmpdir(), "csrm-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const { dataset: all, what: source } = await photographs(Math.max(...ways.map(({ images }) => images)), folder);
const yardstick = resnet50Yardstick(randn([4, 3, 256, 256]).to({ device }));
const rows: Row[] = [];
for (const [index, way] of ways.entries()) rows.push(await measureWay(way, index));
report({
  benchmark: "predict",
  source,
  sections: [
    {
      title: `Predicting ${source}, files to files: time an image`,
      unit: "seconds",
      peer: "ResNet-50 forward and backward, fp32, 4 images of 256²",
      rows,
    },
  ],
});
