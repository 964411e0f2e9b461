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
import { manualSeed, randn, setThreads } from "../src/torch/index.ts";
import { recipeSchema } from "../src/training/config.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { photographs } from "./lib/photographs.ts";
import { type Row, report } from "./lib/result.ts";
import { significant } from "./lib/table.ts";
import { inTurn, ratioOf, secondsOf, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

const THRESHOLD = 0.4;

const options = parseCase({});
const { device, threads, quick } = options;
const rounds = roundsOf(options, 3);
setThreads(threads);
manualSeed(0);

const ways = [
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
    images: quick ? 1 : 4,
    recipe: { model: { backbone: "resnest50" }, predict: { source: "mean" } },
  },
];

const folder = mkdtempSync(path.join(tmpdir(), "csrm-bench-"));
try {
  const { dataset: all, what: source } = await photographs(Math.max(...ways.map(({ images }) => images)), folder);
  const input = randn([4, 3, 256, 256]).to({ device });
  const yardstick = resnet50Yardstick(input);
  const rows: Row[] = [];
  for (const [index, way] of ways.entries()) {
    const recipe = recipeSchema.parse({ ...way.recipe, device });
    const dataset = { ...all, samples: all.samples.slice(0, way.images) };
    const info: ModelInfo & { kind: "csrm" } = {
      ...imagenet,
      kind: "csrm",
      backbone: recipe.model.backbone,
      outputStride: recipe.model.output_stride,
      padding: "symmetric",
      headChannels: recipe.model.head_channels,
      decoderStride: recipe.model.decoder_stride,
      classes: all.classes,
    };
    const model = path.join(folder, `model-${index}.safetensors`);
    const network = buildModel(info);
    saveModel(model, network, info);
    network.dispose();

    const phases = { network: [] as number[], labels: [] as number[], crf: [] as number[] };
    let turn = 0;
    const run = async () => {
      const out = path.join(folder, `out-${index}-${turn++}`);
      const settings = predictSettings(recipe);
      const ids = dataset.samples.map(({ id }) => id);
      const start = performance.now();
      await predictCams({ model, dataset, out, settings });
      const predicted = performance.now();
      const { dir } = await writeLabels({ out, ids, threshold: THRESHOLD });
      const labelled = performance.now();
      await refineCrf({ images: dataset, labels: dir, out: path.join(out, "refined"), params: recipe.refine.crf });
      const refined = performance.now();
      requireTwoLabels(ids.map((id) => path.join(dir, `${id}.png`)));
      rmSync(out, { recursive: true });
      if (turn > 1) {
        phases.network.push(predicted - start);
        phases.labels.push(labelled - predicted);
        phases.crf.push(refined - labelled);
      }
      return (refined - start) / 1000 / ids.length;
    };
    await run();
    yardstick();
    const measured = await inTurn(rounds, { run, yardstick: () => secondsOf(yardstick) });
    const share = (milliseconds: number[]) => `${significant(timingOf(milliseconds).median / way.images / 1000)} s`;
    rows.push({
      what: way.what,
      value: timingOf(measured.run),
      peer: timingOf(measured.yardstick),
      ratio: ratioOf(measured.run, measured.yardstick),
      more: {
        "images/s": significant(1 / timingOf(measured.run).median),
        network: share(phases.network),
        "label maps": share(phases.labels),
        CRF: share(phases.crf),
      },
    });
  }
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
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The CRF has nothing to do where a map holds one label only. */
function requireTwoLabels(files: readonly string[]): void {
  for (const file of files) {
    const { data } = decodeLabelPng(readFileSync(file), file);
    if (new Set(data).size < 2) throw new Error(`${file} holds one label only, so its CRF would not be measured`);
  }
}
