/**
 * The dense CRF: two labelings of a 512² image with 3 labels, from labels to labels, on one thread ÷ the ResNet-50 yardstick (4 images
 * 512², fp32, two threads) in turn in one run; pydensecrf, which runs each labeling alone, takes 0.76 of those. Then what a
 * second thread gains, on one image and on a batch. `npm run bench -- crf`
 */
import { availableParallelism } from "node:os";
import { renderScene } from "../src/data/toy/scene.ts";
import { denseCrfLabels } from "../src/refine/dense-crf.ts";
import { fromTypedArray, randn, scope, setThreads, type Tensor } from "../src/torch/index.ts";
import { median, print, type Timing, timingOf } from "./measure.ts";
import { resnet50Yardstick } from "./yardstick.ts";

const ROUNDS = 7;
const SIZE = 512;
const LABELS = 3;
const IMAGES = 4;

/** Scene 2 has 165,000 lattice vertices; photographs of this size had 22,000 to 315,000, 129,000 on average. */
const scenes = [2, 0, 1, 3].map((index) => renderScene({ seed: 0, split: "train", index, size: SIZE }));
const bytes = Buffer.concat(scenes.map((scene) => scene.rgb));
const images = fromTypedArray(new Uint8Array(bytes), [IMAGES, SIZE, SIZE, 3]);

/** Blobs that fit the image about as well as thresholded activations do: a small and a large disc each of two classes. */
function labelings(): Tensor {
  const data = new Uint8Array(IMAGES * 2 * SIZE * SIZE);
  for (let i = 0; i < data.length; i++) {
    const [x, y, u] = [i % SIZE, Math.floor(i / SIZE) % SIZE, Math.floor(i / SIZE ** 2) % 2];
    if (Math.hypot(x - 200, y - 250) < 120 + 25 * u) data[i] = 1;
    else if (Math.hypot(x - 380, y - 200) < 70 + 20 * u) data[i] = 2;
  }
  return fromTypedArray(data, [IMAGES, 2, SIZE, SIZE]);
}

const labels = labelings();
const yardstick = resnet50Yardstick(randn([4, 3, SIZE, SIZE]));
const cores = Math.min(2, availableParallelism());

function seconds(threads: number, body: () => void): number {
  setThreads(threads);
  const start = performance.now();
  body();
  return (performance.now() - start) / 1000;
}
const crf = (count: number) => () =>
  void scope(() =>
    denseCrfLabels({ images: images.narrow(0, 0, count), labels: labels.narrow(0, 0, count), classes: LABELS }),
  );

const round = () => ({
  yardstick: seconds(cores, yardstick),
  one: seconds(1, crf(1)),
  oneShared: seconds(cores, crf(1)),
  batch: seconds(1, crf(IMAGES)),
  batchShared: seconds(cores, crf(IMAGES)),
});
round();
const rounds = Array.from({ length: ROUNDS }, round);
const over = (value: (r: (typeof rounds)[number]) => number): Timing => timingOf(rounds.map(value));
const result = {
  benchmark: "crf",
  what: `two labelings of a ${SIZE}² image, ${LABELS} labels, one thread`,
  seconds: { crf: over((r) => r.one), yardstick: over((r) => r.yardstick) },
  ratio: over((r) => r.one / r.yardstick),
  threads: cores,
  scaling: { one_image: over((r) => r.one / r.oneShared), batch_of_4: over((r) => r.batch / r.batchShared) },
};
const spread = ({ median, min, max }: Timing, digits = 2) =>
  `${median.toFixed(digits)} (${min.toFixed(digits)} … ${max.toFixed(digits)})`;
print(
  result,
  [
    `${result.what}: ${(median(rounds.map((r) => r.one)) * 1000).toFixed(0)} ms, yardstick ${spread(result.seconds.yardstick)} s`,
    `ratio ${spread(result.ratio, 3)} over ${ROUNDS} rounds; pydensecrf: 0.76`,
    `${cores} threads: ${spread(result.scaling.one_image)} × on one image, ${spread(result.scaling.batch_of_4)} × on ${IMAGES} images`,
  ].join("\n"),
);
