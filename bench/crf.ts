/**
 * The dense CRF, from labels to labels: one and two labelings of an image on one thread ÷ the ResNet-50 yardstick (4 images of 512²,
 * fp32, two threads), in turn in one run, beside what pydensecrf takes of the same yardstick; and what a second thread gains on one
 * image and on a batch. `npm run bench -- crf`
 */
import { setTimeout } from "node:timers/promises";
import { renderScene } from "../src/data/toy/scene.ts";
import { denseCrfLabels } from "../src/refine/dense-crf.ts";
import { fromTypedArray, getThreads, randn, scope, setThreads, type Tensor } from "../src/torch/index.ts";
import { parseCase, roundsOf } from "./lib/options.ts";
import { type Row, report, type Section } from "./lib/result.ts";
import { duration, significant } from "./lib/table.ts";
import { inTurn, ratioOf, secondsOf, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

const SIZE = 512;
const IMAGES = 4;
/** Calls at a time where threads are compared; single ones show what the machine did at that moment. */
const CALLS = 5;
/**
 * Seconds of pydensecrf (-O3 -march=native, one core, one labeling, 10 iterations) on a machine where the yardstick took 2.68 s. It
 * runs each labeling of an image alone.
 */
const PYDENSECRF = { 128: { 3: 0.075, 21: 0.18 }, 256: { 3: 0.27, 21: 0.6 }, 512: { 3: 1.02, 21: 2.32 } } as const;
const ITS_YARDSTICK = 2.68;

const options = parseCase({});
const { device } = options;
const rounds = roundsOf(options, 7);

/** Scene 2 has 165,000 lattice vertices at 512²; photographs of that size had 22,000 to 315,000, 129,000 on average. */
function pixels(size: number, count: number): Tensor {
  const scenes = [2, 0, 1, 3].slice(0, count).map((index) => renderScene({ seed: 0, split: "train", index, size }));
  return fromTypedArray(new Uint8Array(Buffer.concat(scenes.map(({ rgb }) => rgb))), [count, size, size, 3]).to({
    device,
  });
}

/**
 * Blobs that fit the image about as well as thresholded activations do: a small and a large disc each of two classes; with more than
 * three labels, small discs of the others along the edge.
 */
function labelings(size: number, { count, each, labels }: { count: number; each: number; labels: number }): Tensor {
  const data = new Uint8Array(count * each * size * size);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [i % size, Math.floor(i / size) % size].map((at) => (at * SIZE) / size) as [number, number];
    const u = Math.floor(i / size ** 2) % each;
    const other = 3 + Math.floor(x / 28);
    if (Math.hypot(x - 200, y - 250) < 120 + 25 * u) data[i] = 1;
    else if (Math.hypot(x - 380, y - 200) < 70 + 20 * u) data[i] = 2;
    else if (other < labels && Math.hypot((x % 28) - 14, y - 40) < 12) data[i] = other;
  }
  return fromTypedArray(data, [count, each, size, size]).to({ device });
}

interface Problem {
  what: string;
  size: number;
  labels: number;
  each: number;
}

const sizes = options.quick ? [512 as const] : [128 as const, 256 as const, 512 as const];
const problems: Problem[] = [
  { what: "512², two labelings, 3 labels", size: SIZE, labels: 3, each: 2 },
  ...sizes.flatMap((size) =>
    ([3, 21] as const).map((labels) => ({ what: `${size}², ${labels} labels`, size, labels, each: 1 })),
  ),
];

/** A GPU works on while the CPU goes ahead; reading one label waits for it. */
function crfOf({ size, labels, each }: Problem, count: number): () => void {
  const images = pixels(size, count);
  const given = labelings(size, { count, each, labels });
  return () =>
    scope(() => {
      const refined = denseCrfLabels({ images, labels: given, classes: labels });
      refined.flatten().narrow(0, 0, 1).toArray();
    });
}

/**
 * libtorch's other pool begins anew with another number of threads, and its new ones spin for 25 ms, on cores that the CRF would have; the first
 * call after a rest is slow on its own account. Nobody changes the number in earnest.
 */
const SETTLED = 200;

const on = (threads: number, body: () => void) => async () => {
  if (getThreads() !== threads) {
    setThreads(threads);
    await setTimeout(SETTLED);
    body();
  }
  return secondsOf(body);
};

const yardstick = on(options.threads, resnet50Yardstick(randn([4, 3, SIZE, SIZE]).to({ device })));
const sides = {
  yardstick,
  ...Object.fromEntries(problems.map((problem) => [problem.what, on(1, crfOf(problem, 1))])),
};
for (const side of Object.values(sides)) await side();
const measured = await inTurn<string>(rounds, sides);
const yards = measured.yardstick!;
const rows = problems.map(({ what, size, labels, each }): Row => {
  const numbers = measured[what]!;
  const ratio = ratioOf(numbers, yards);
  const known = (each * PYDENSECRF[size as 512][labels as 3]) / ITS_YARDSTICK;
  return {
    what,
    value: timingOf(numbers),
    peer: timingOf(yards),
    ratio,
    // pydensecrf and the ResNet-50 beside it ran on a processor.
    more:
      device === "cpu"
        ? {
            "pydensecrf ÷ its ResNet-50": known.toFixed(3),
            "times as fast": significant(known / ratio.median),
            goal: each === 2 ? "≤ 0.12" : "",
          }
        : {},
  };
});

const scaling = device === "cpu" && options.threads > 1 ? [await secondThread(options.threads)] : [];

/**
 * What more threads gain on one image and on a batch, held against as many images apart, a thread each: these never wait for each other, so what
 * slows them down is the machine.
 */
async function secondThread(threads: number): Promise<Section> {
  const steadily = (count: number, by: number) => {
    const body = crfOf(problems[0]!, count);
    return on(by, () => {
      for (let i = 0; i < CALLS; i++) body();
    });
  };
  const { one, all, batch, apart } = await inTurn(rounds, {
    one: steadily(1, 1),
    all: steadily(1, threads),
    batch: steadily(IMAGES, threads),
    apart: steadily(threads, threads),
  });
  const row = (what: string, images: number, seconds: readonly number[], goal = ""): Row => {
    const share = timingOf(seconds.map((time, i) => ((apart[i]! / threads) * images) / time));
    const times = timingOf(seconds.map((time, i) => (images * one[i]!) / time));
    return {
      what,
      value: times,
      more: { "against as many images apart": `${Math.round(100 * share.median)} %`, goal },
    };
  };
  const each = duration(timingOf(one.map((seconds) => seconds / CALLS)).median);
  return {
    title: `Dense CRF, ${threads} threads instead of one: times as fast (512², two labelings)`,
    unit: "times",
    rows: [
      row(`1 image (one thread: ${each})`, 1, all, "≥ 1.8"),
      row(`${IMAGES} images`, IMAGES, batch),
      row(`${threads} images, a thread each`, threads, apart),
    ],
  };
}

report({
  benchmark: "crf",
  sections: [
    {
      title: `Dense CRF, ${device === "cpu" ? "one thread" : device}`,
      unit: "seconds",
      peer: "ResNet-50 forward and backward, fp32, 4 images of 512²",
      rows,
      notes:
        device !== "cpu"
          ? []
          : ["pydensecrf's figures are those of another machine, each with the ResNet-50 of that machine."],
    },
    ...scaling,
  ],
});
