/**
 * SAM's ViT-B image encoder on 1024², ours in fp32 and bf16 ÷ the same graph in PyTorch's fp32 (bench/sam_encoder.py; Debian's, or
 * what PYTHON=… names), in turn in one run, by the clock and by processor time, which a busy machine disturbs less. Then automatic mask
 * generation on one photograph, seconds by part. Weights are drawn: times depend on them only through how many masks pass the filters,
 * here about one in six. `npm run bench -- sam`, with other figures `npm run bench -- sam --rounds=3 --network=mobile_sam`
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { renderScene } from "../src/data/toy/scene.ts";
import { type SamVariant, samVariants } from "../src/models/sam/config.ts";
import { samInput } from "../src/models/sam/input.ts";
import { foregroundPoints } from "../src/models/sam/prompt-encoder.ts";
import { createSam, Sam } from "../src/models/sam/sam.ts";
import { pointGrid } from "../src/refine/sam/crops.ts";
import { generateMasks } from "../src/refine/sam/generate.ts";
import { maskDefaults } from "../src/refine/sam/options.ts";
import { cpuHasBf16, manualSeed, noGrad, randn, scope, setThreads } from "../src/torch/index.ts";
import { print, type Timing, timingOf } from "./measure.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, network: { type: "string", default: "sam_vit_b" } },
  strict: false,
  allowPositionals: true,
}) as { values: { rounds: string; network: SamVariant } };
const rounds = Number(values.rounds);
const { network } = values;
if (!(network in samVariants))
  throw new Error(`no network ${network}; there are ${Object.keys(samVariants).join(", ")}`);
const threads = Math.min(2, availableParallelism());
setThreads(threads);
manualSeed(0);

/** Seconds by the clock and of all processors. */
interface Seconds {
  wall: number;
  cpu: number;
}

/** PyTorch's encoder, waiting for the word to run once; null where there is no PyTorch. */
async function peer() {
  const script = fileURLToPath(new URL("sam_encoder.py", import.meta.url));
  const python = process.env.PYTHON ?? (existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3");
  const child = spawn(python, [script, String(threads)], { stdio: ["pipe", "pipe", "ignore"] });
  // That there is no such program shows where its first line is awaited.
  child.on("error", () => child.stdout.destroy());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.done) return null;
  return {
    version: ready.value.replace("ready ", ""),
    async run(): Promise<Seconds> {
      child.stdin.write("fp32\n");
      const [wall, cpu] = String((await lines.next()).value)
        .split(" ")
        .map(Number) as [number, number];
      return { wall, cpu };
    },
    end: () => child.stdin.end(),
  };
}

/** What layers draw by themselves, and noise for what they leave at zero. */
const LEFT_AT_ZERO =
  /pos_embed|rel_pos|gaussian_matrix|(iou|mask)_tokens?\.|point_embeddings|not_a_point|no_mask|output_upscaling\.[03]\.weight/;

function drawn(variant: SamVariant): Sam {
  const sam = new Sam(samVariants[variant]).eval();
  noGrad(() => {
    for (const [key, tensor] of sam.stateDict()) if (LEFT_AT_ZERO.test(key)) tensor.normal_(0, 0.1);
  });
  return sam;
}

function timed(body: () => void): Seconds {
  const [start, before] = [performance.now(), process.cpuUsage()];
  body();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

type Runs = Record<"fp32" | "bf16" | "torch", Seconds[]>;

/** The encoders in turn. */
async function encoders(): Promise<{ runs: Runs; torch: string | null }> {
  const image = randn([1, 3, 1024, 1024]);
  const python = network === "sam_vit_b" ? await peer() : null;
  const fp32 = drawn(network);
  const bf16 = createSam(network).copyFrom(fp32);
  bf16.image_encoder.setPrecision("bfloat16");
  const encode = (sam: Sam) => () => void scope(() => sam.image_encoder.forward(image));
  const runs: Runs = { fp32: [], bf16: [], torch: [] };
  for (let round = -1; round < rounds; round++) {
    const now = {
      torch: python ? await python.run() : null,
      fp32: timed(encode(fp32)),
      bf16: cpuHasBf16() ? timed(encode(bf16)) : null,
    };
    if (round < 0) continue; // to warm up
    for (const name of ["fp32", "bf16", "torch"] as const) if (now[name]) runs[name].push(now[name]);
  }
  python?.end();
  fp32.dispose();
  bf16.dispose();
  return { runs, torch: python?.version ?? null };
}

/** One photograph with the public code's options, but for thresholds that let about as many masks through as trained weights do. */
function generation() {
  const sam = drawn(network);
  if (cpuHasBf16()) sam.image_encoder.setPrecision("bfloat16");
  const scene = renderScene({ seed: 0, split: "train", index: 2, size: 500 });
  const image = { data: scene.rgb, width: 500, height: 500 };
  const sample = scope(() => {
    const points = pointGrid(8).map(([x, y]) => [x * 1024, y * 1024] as const);
    const { iou } = sam.decode(sam.embed(samInput(image, 1024)), { points: foregroundPoints(points) });
    return iou
      .narrow(1, 1, 3)
      .toArray()
      .sort((a, b) => b - a);
  });
  const shift = 0.88 - sample[Math.floor(sample.length / 6)]!;
  noGrad(() => void sam.mask_decoder.iou_prediction_head.layers.at(-1).bias!.add_(shift));
  const { masks, times } = generateMasks(sam, image, { ...maskDefaults, stability_score_thresh: 0 });
  sam.dispose();
  return { masks: masks.length, times };
}

const { runs, torch } = await encoders();
const over = (name: keyof Runs, what: keyof Seconds): Timing | null =>
  runs[name].length > 0 ? timingOf(runs[name].map((each) => each[what])) : null;
const against = (name: "fp32" | "bf16", what: keyof Seconds): Timing | null =>
  runs[name].length > 0 && torch ? timingOf(runs[name].map((each, i) => each[what] / runs.torch[i]![what])) : null;
const { masks, times } = generation();
const result = {
  benchmark: "sam",
  what: `${network} encoder on 1024², ${threads} threads`,
  torch,
  seconds: { fp32: over("fp32", "wall"), bf16: over("bf16", "wall"), torch: over("torch", "wall") },
  ratio: { fp32: against("fp32", "wall"), bf16: against("bf16", "wall") },
  ratio_of_processor_time: { fp32: against("fp32", "cpu"), bf16: against("bf16", "cpu") },
  generation: { points: maskDefaults.points_per_side ** 2, masks, seconds: times },
  peak_memory_gib: process.resourceUsage().maxRSS / 2 ** 20,
};
const shown = (value: Timing | null, digits = 2) =>
  value
    ? `${value.median.toFixed(digits)} (${value.min.toFixed(digits)} … ${value.max.toFixed(digits)})`
    : "not measured";
print(
  result,
  [
    `${result.what}, ${rounds} rounds; PyTorch ${torch ?? "not found"}`,
    ...(["fp32", "bf16", "torch"] as const).map((name) => `  ${name.padEnd(6)} ${shown(result.seconds[name])} s`),
    ...(["fp32", "bf16"] as const).map(
      (name) =>
        `  ours in ${name} ÷ PyTorch's fp32: ${shown(result.ratio[name])}, of processor time ${shown(result.ratio_of_processor_time[name])}`,
    ),
    `mask generation, ${result.generation.points} points, ${masks} masks:`,
    ...Object.entries(times).map(([part, seconds]) => `  ${part.padEnd(8)} ${seconds.toFixed(1)} s`),
    `peak memory ${result.peak_memory_gib.toFixed(1)} GiB`,
  ].join("\n"),
);
