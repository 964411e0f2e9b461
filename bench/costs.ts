/**
 * What an image costs in every stage, in processor time and bytes, for plans that need more than one machine (docs/scaling.md): one thread,
 * so that seconds of a core add up. `npm run bench -- costs [--images=DIR] [--count=8] [--networks=mobilenet_v2:256,resnest50:256]
 * [--rows=50000]`; without --images generated scenes of 448² stand for photographs.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import v8 from "node:v8";
import vm from "node:vm";
import sharp from "sharp";
import { loadClasses } from "../src/data/classes.ts";
import { decodeImage } from "../src/data/image.ts";
import { listImages } from "../src/data/image-files.ts";
import { renderScene } from "../src/data/toy/scene.ts";
import type { Dataset } from "../src/data/types.ts";
import { countPredictions } from "../src/evaluation/evaluate.ts";
import { writeLabels } from "../src/inference/label-stage.ts";
import { predictCams } from "../src/inference/predict-stage.ts";
import { MemoryBank } from "../src/losses/memory-bank.ts";
import { buildModel, type ModelInfo, saveModel } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import { silentProgress } from "../src/progress.ts";
import { refineCrf } from "../src/refine/crf-stage.ts";
import { cpuHasBf16, manualSeed, setThreads } from "../src/torch/index.ts";
import { recipeSchema } from "../src/training/config.ts";
import { prepare } from "../src/training/network.ts";
import { randomStep } from "../src/training/random-step.ts";
import { type Cost, costOf, listCosts } from "./lib/list-costs.ts";
import { print } from "./measure.ts";

const { values: options } = parseArgs({
  options: {
    images: { type: "string" },
    count: { type: "string", default: "8" },
    networks: { type: "string", default: "mobilenet_v2:256,resnest50:256" },
    rows: { type: "string", default: "50000" },
  },
  strict: false,
  allowPositionals: true,
}) as { values: Record<"count" | "networks" | "rows", string> & { images?: string } };
const COUNT = Number(options.count);
/** Side of a generated photograph. */
const SCENE = 448;
const root = mkdtempSync(join(tmpdir(), "csrm-costs-"));
process.once("exit", () => rmSync(root, { recursive: true, force: true }));
// For the memory of lists alone: garbage would be counted as theirs.
v8.setFlagsFromString("--expose-gc");
(globalThis as { gc?: () => void }).gc = vm.runInNewContext("gc") as () => void;
setThreads(1);
manualSeed(0);
const classes = loadClasses("voc");
const costs: Cost[] = [];
const precision = cpuHasBf16() ? "bf16" : "fp32";

/** Bytes of all files below a folder, an image. */
function bytesBelow(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0) / COUNT;
}
const stored = (what: string, bytes: number): Cost => ({ what, core_seconds: null, seconds: null, bytes });

async function photographs(): Promise<Dataset["samples"]> {
  // Two tags an image, as on VOC.
  const tags = (i: number) =>
    Uint8Array.from(classes.ids.slice(1), (_, c) => (c === i % 20 || c === (i + 7) % 20 ? 1 : 0));
  if (options.images !== undefined) {
    const all = [...listImages(options.images).byId];
    const chosen = all.filter((_, i) => i % Math.ceil(all.length / COUNT) === 0).slice(0, COUNT);
    return chosen.map(([id, image], i) => ({ id, image, tags: tags(i) }));
  }
  return Promise.all(
    Array.from({ length: COUNT }, async (_, i) => {
      const { rgb } = renderScene({ seed: 0, split: "train", index: i, size: SCENE });
      const image = join(root, `${i}.jpg`);
      await sharp(rgb, { raw: { width: SCENE, height: SCENE, channels: 3 } })
        .jpeg({ quality: 90 })
        .toFile(image);
      return { id: String(i), image, tags: tags(i) };
    }),
  );
}

function infoOf(backbone: string): ModelInfo & { kind: "csrm" } {
  const mobile = backbone.startsWith("mobilenet");
  const heads = mobile
    ? ({ headChannels: 128, decoderStride: 8 } as const)
    : ({ headChannels: 256, decoderStride: 4 } as const);
  return { ...imagenet, ...heads, kind: "csrm", backbone, outputStride: 16, padding: "symmetric", classes };
}

const samples = await photographs();
const dataset: Dataset = { name: "costs", root, classes, samples };
const sizes: string[] = [];
costs.push(stored("photograph (JPEG)", samples.reduce((sum, { image }) => sum + statSync(image).size, 0) / COUNT));
costs.push(
  await costOf("decode", COUNT, async () => {
    for (const { image } of samples) {
      const { width, height } = await decodeImage(image);
      sizes.push(`${width}×${height}`);
    }
  }),
);

const info = infoOf("mobilenet_v2");
const network = buildModel(info);
const model = join(root, "model.safetensors");
saveModel(model, network, info);
network.dispose();
const ids = samples.map(({ id }) => id);
const settings = { source: "mean", size: { longest: 512 }, tags: "known", device: "cpu", precision } as const;
for (const [name, scales, flip] of [
  ["single", [1], false],
  ["scales 0.5, 1, 1.5, 2 and flip", [0.5, 1, 1.5, 2], true],
] as const) {
  const out = join(root, `predict-${scales.length}`);
  const work = { model, dataset, out, settings: { ...settings, scales: [...scales], flip } };
  costs.push(await costOf(`predict, mobilenet_v2, longest side 512, ${name}`, COUNT, () => predictCams(work)));
  costs.push(stored(`  cams/<id>.npz, ${name}`, bytesBelow(join(out, "cams"))));
}
const out = join(root, "predict-4");
costs.push(await costOf("label map from cams/<id>.npz", COUNT, () => writeLabels({ out, ids, threshold: 0.3 })));
const labels = join(out, "pseudo");
costs.push(stored("  label map (PNG)", bytesBelow(labels)));
for (const scale of [1, 0.5]) {
  const refined = join(root, `crf-${scale}`);
  const params = { ...recipeSchema.parse({}).refine.crf, crf_scale: scale };
  const work = () => refineCrf({ images: dataset, labels, out: refined, ids, params, progress: silentProgress });
  costs.push(await costOf(`refine crf, --crf-scale ${scale}`, COUNT, work));
}
const evaluated = { masks: labels, ids, classes, concurrency: 1 };
costs.push(await costOf("evaluate label maps", COUNT, () => countPredictions({ ...evaluated, predictions: labels })));
costs.push(
  await costOf("evaluate scores, 16 thresholds", COUNT, async () => {
    const counts = await countPredictions({ ...evaluated, predictions: out, source: "mean" });
    costs.push(stored("counts of a shard (whole shard, 21 classes)", JSON.stringify(counts.state()).length));
  }),
);

for (const network of options.networks.split(",").filter((name) => name !== "")) {
  const [backbone, size] = network.split(":") as [string, string];
  const side = Number(size);
  const half = 2;
  const recipe = recipeSchema.parse({
    model: { backbone, head_channels: infoOf(backbone).headChannels, decoder_stride: infoOf(backbone).decoderStride },
    data: { size: [side, side] },
    batch: { labelled: half, unlabelled: half },
    pseudo_labels: { crf_scale: 0.5 },
    threads: 1,
  });
  const student = buildModel(infoOf(backbone));
  prepare(student, recipe.model, "cpu");
  // The first call also builds what libtorch keeps; each call makes two steps of four images.
  randomStep(student, infoOf(backbone), recipe);
  const name = `train, ${backbone} ${side}², every loss, forward and backward`;
  costs.push(await costOf(name, 2 * 2 * half, () => randomStep(student, infoOf(backbone), recipe)));
  const values = (all: boolean) =>
    student.parameters().reduce((sum, each) => sum + (all || each.requiresGrad ? each.numel : 0), 0);
  costs.push(stored(`  network (${backbone}), whole file`, 4 * values(true)));
  // Student, teacher, momentum; the bank comes on top.
  costs.push(
    stored(`  checkpoint with SGD's momentum, whole file without bank`, 4 * (2 * values(true) + values(false))),
  );
  student.dispose();
}
const { foreground, background } = recipeSchema.parse({}).contrast.bank;
const bank = new MemoryBank({ classes: 21, channels: 256, foreground: 1, background: 1 });
costs.push(
  stored("memory bank, 21 classes of 256 channels, full (whole)", 4 * bank.channels * (background + 20 * foreground)),
);
bank.dispose();
costs.push(...(await listCosts(join(root, "lists"), Number(options.rows))));

const shown = (value: number | null) =>
  value === null
    ? ""
    : value >= 0.1
      ? `${value.toFixed(2)} s`
      : value >= 1e-4
        ? `${(1e3 * value).toFixed(2)} ms`
        : `${(1e6 * value).toFixed(1)} µs`;
const bytes = (value: number | null) =>
  value === null
    ? ""
    : value >= 1e6
      ? `${(value / 1e6).toFixed(1)} MB`
      : value >= 1e3
        ? `${(value / 1e3).toFixed(1)} kB`
        : `${value.toFixed(0)} B`;
const rows = costs.map(({ what, core_seconds, seconds, bytes: held }) => [
  what,
  shown(core_seconds),
  shown(seconds),
  bytes(held),
]);
print(
  { benchmark: "costs", images: COUNT, sizes, precision, costs },
  [
    `${COUNT} images (${[...new Set(sizes)].slice(0, 4).join(", ")} …), one thread, ${precision}; of one image:`,
    ...[["", "core", "clock", "bytes"], ...rows].map(
      ([what, core, clock, held]) =>
        `${what!.padEnd(66)}${core!.padStart(10)}${clock!.padStart(10)}${held!.padStart(10)}`,
    ),
  ].join("\n"),
);
