/**
 * Scores CAMs at many background thresholds in one pass over the pixels: a pixel's label at threshold t is its best
 * foreground class where that
 * score exceeds t, else background; so one histogram over (true class, best class, number of thresholds exceeded)
 * holds every confusion matrix.
 */
import { CsrmError, expected } from "../errors.ts";
import { addCounts, Confusion, IGNORE, type LabelMap } from "./confusion.ts";
import { type Metrics, metricsOf } from "./metrics.ts";
import { nearestIndices } from "./resize-nearest.ts";

/** .05, .10, … .80: the thresholds that the public evaluator tries. */
export const SWEEP_THRESHOLDS: readonly number[] = Array.from({ length: 16 }, (_, i) => ((i + 1) * 5) / 100);

/** Class activation maps of one image. */
export interface CamMaps {
  /** Class index (1…K−1) of every map. */
  classes: ArrayLike<number>;
  /** n×height×width scores, row-major. */
  scores: Float32Array;
  width: number;
  height: number;
}

/** The metrics at one threshold. */
export interface SweepPoint extends Metrics {
  threshold: number;
}

/**
 * Collects CAMs with their ground truth image by image.
 * As in the public evaluator the background is a constant plane below the maps in a float32 stack, and the first
 * maximum wins: a score must exceed
 * the threshold, rounded to float32, and the earlier map wins ties. CAMs of another size are labelled first and then
 * resized (nearest).
 */
export class ThresholdSweep {
  readonly classCount: number;
  /** Ascending, without repetitions. */
  readonly thresholds: readonly number[];
  readonly #edges: Float32Array;
  /** (true class, best class, thresholds exceeded) → pixels. */
  readonly #histogram: Float64Array;

  /**
   * @param classCount K, background included
   * @param thresholds finite numbers in any order
   */
  constructor(classCount: number, thresholds: readonly number[] = SWEEP_THRESHOLDS) {
    if (thresholds.length === 0 || !thresholds.every(Number.isFinite)) {
      throw expected("at least one finite threshold", "thresholds", thresholds);
    }
    this.classCount = new Confusion(classCount).classCount;
    this.thresholds = [...new Set(thresholds)].sort((a, b) => a - b);
    this.#edges = Float32Array.from(this.thresholds);
    this.#histogram = new Float64Array(classCount * classCount * (this.#edges.length + 1));
  }

  /**
   * Adds one image.
   * @param cam maps of any size and of any subset of the classes (none: everything is background)
   * @param truth class indices 0…K−1 or 255 (left out)
   */
  add(cam: CamMaps, truth: LabelMap): void {
    const { classCount: K } = this;
    const bins = this.#edges.length + 1;
    const cells = this.#cellsOf(cam);
    const rows = nearestIndices(cam.height, truth.height);
    const columns = nearestIndices(cam.width, truth.width);
    for (let y = 0, i = 0; y < truth.height; y++) {
      const row = rows[y]! * cam.width;
      for (let x = 0; x < truth.width; x++, i++) {
        const label = truth.data[i]!;
        if (label === IGNORE) continue;
        if (label >= K)
          throw expected(`labels in 0..${K - 1} or ${IGNORE}`, `the ground truth at x=${x}, y=${y}`, label);
        this.#histogram[label * K * bins + cells[row + columns[x]!]!]!++;
      }
    }
  }

  /** Per CAM pixel: (best class · bins + thresholds exceeded). */
  #cellsOf(cam: CamMaps): Uint32Array {
    const edges = this.#edges;
    const bins = edges.length + 1;
    const { best, scores } = bestOf(cam, this.classCount);
    const cells = new Uint32Array(best.length);
    for (let i = 0; i < cells.length; i++) {
      const score = scores[i]!;
      let low = 0;
      let high = edges.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (edges[middle]! < score) low = middle + 1;
        else high = middle;
      }
      cells[i] = best[i]! * bins + low;
    }
    return cells;
  }

  /**
   * The confusion matrix at one of the thresholds.
   * @throws CsrmError when the threshold is not among {@link thresholds}
   */
  confusionAt(threshold: number): Confusion {
    const index = this.thresholds.indexOf(threshold);
    if (index < 0) throw expected(`one of ${this.thresholds.join(", ")}`, "threshold", threshold);
    const confusion = new Confusion(this.classCount);
    const K = this.classCount;
    const bins = this.#edges.length + 1;
    for (let t = 0; t < K; t++) {
      for (let p = 0; p < K; p++) {
        for (let exceeded = 0; exceeded < bins; exceeded++) {
          const predicted = exceeded > index ? p : 0;
          confusion.counts[t * K + predicted]! += this.#histogram[(t * K + p) * bins + exceeded]!;
        }
      }
    }
    return confusion;
  }

  /** The counts as JSON keeps them. */
  state(): number[] {
    return [...this.#histogram];
  }

  /** Adds the counts of other images. @throws CsrmError for those of other classes or thresholds */
  addState(histogram: readonly number[]): void {
    addCounts(this.#histogram, histogram, "the counts of a threshold sweep");
  }

  /** The metrics at every threshold, ascending. */
  points(): SweepPoint[] {
    return this.thresholds.map((threshold) => ({ threshold, ...metricsOf(this.confusionAt(threshold)) }));
  }
}

/** The first point with the highest mIoU. */
export function bestPoint<T extends { miou: number }>(points: readonly T[]): T {
  const [first, ...rest] = points;
  if (first === undefined) throw expected("at least one point", "the threshold sweep", points);
  return rest.reduce((best, point) => (point.miou > best.miou ? point : best), first);
}

/**
 * Thresholds whose false positives are nearest to 1.6 and 0.6 times those of the best point: on purpose too eager and
 * too careful.
 */
export function overAndUnder(points: readonly SweepPoint[]): { over: number; under: number } {
  const target = bestPoint(points).fp;
  const nearest = (factor: number) => {
    const distance = (point: SweepPoint) => Math.abs(point.fp - factor * target);
    return points.reduce((best, point) => (distance(point) < distance(best) ? point : best)).threshold;
  };
  return { over: nearest(1.6), under: nearest(0.6) };
}

/** Per pixel the class with the highest score and that score; without maps class 0 and −∞. */
function bestOf(cam: CamMaps, classCount: number): { best: Uint8Array; scores: Float32Array } {
  const { classes, width, height } = cam;
  const area = width * height;
  if (cam.scores.length !== classes.length * area) {
    throw expected(`${classes.length}×${height}×${width} scores`, "the CAM", `${cam.scores.length} numbers`);
  }
  const best = new Uint8Array(area);
  const scores = new Float32Array(area).fill(Number.NEGATIVE_INFINITY);
  for (let map = 0; map < classes.length; map++) {
    const k = classes[map]!;
    if (!(Number.isInteger(k) && k >= 1 && k < classCount)) {
      throw expected(`class indices in 1..${classCount - 1}`, `map ${map} of the CAM`, k);
    }
    for (let i = 0, source = map * area; i < area; i++, source++) {
      const score = cam.scores[source]!;
      if (score > scores[i]!) {
        scores[i] = score;
        best[i] = k;
      } else if (Number.isNaN(score)) {
        throw new CsrmError(`expected numbers in map ${map} of the CAM, got NaN at pixel ${i}`, { code: "data" });
      }
    }
  }
  return { best, scores };
}
