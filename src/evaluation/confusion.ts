/**
 * Counts of (true class, predicted class) pixels over any number of images: the one thing every metric is computed
 * from.
 */
import { CsrmError, expected } from "../errors.ts";

/** The label that means "no ground truth here" in masks and "no decision here" in predictions. */
export const IGNORE = 255;

/** One label a pixel, row by row: class indices 0…K−1 or {@link IGNORE}. */
export interface LabelMap {
  width: number;
  height: number;
  data: Uint8Array | Uint16Array;
}

/** A K×K confusion matrix; rows are true classes, columns predicted ones. */
export class Confusion {
  readonly classCount: number;
  /** K×K pixel counts, row = true class. */
  readonly counts: Float64Array;
  /**
   * Per true class: pixels whose prediction is {@link IGNORE}. They are misses of that class and false positives of
   * none.
   */
  readonly undecided: Float64Array;

  /** @param classCount K, background included, 1–255 */
  constructor(classCount: number) {
    if (!Number.isInteger(classCount) || classCount < 1 || classCount > IGNORE) {
      throw expected(`a whole number of classes in 1..${IGNORE}`, "classCount", classCount);
    }
    this.classCount = classCount;
    this.counts = new Float64Array(classCount * classCount);
    this.undecided = new Float64Array(classCount);
  }

  /**
   * Adds one image. Pixels whose ground truth is 255 are left out.
   * @param predicted class indices 0…K−1 or 255, of the ground truth's size
   * @param truth class indices 0…K−1 or 255
   * @throws CsrmError when sizes differ or a label is no class
   */
  add(predicted: LabelMap, truth: LabelMap): void {
    if (predicted.width !== truth.width || predicted.height !== truth.height) {
      throw expected(
        `${truth.width}×${truth.height} labels`,
        "the prediction",
        `${predicted.width}×${predicted.height}`,
        "resize it to the ground truth first (resizeNearest)",
      );
    }
    const { classCount, counts, undecided } = this;
    const p = predicted.data;
    const t = truth.data;
    for (let i = 0; i < t.length; i++) {
      const trueClass = t[i]!;
      if (trueClass === IGNORE) continue;
      const predictedClass = p[i]!;
      if (trueClass >= classCount) throw outside("ground truth", trueClass, i, truth.width, classCount);
      if (predictedClass === IGNORE) undecided[trueClass]!++;
      else if (predictedClass >= classCount) throw outside("predicted", predictedClass, i, truth.width, classCount);
      else counts[trueClass * classCount + predictedClass]!++;
    }
  }

  /** The counts as JSON keeps them. */
  state(): ConfusionState {
    return { counts: [...this.counts], undecided: [...this.undecided] };
  }

  /** Adds the counts of other images. @throws CsrmError for those of another number of classes */
  addState({ counts, undecided }: ConfusionState): void {
    addCounts(this.counts, counts, "confusion counts");
    addCounts(this.undecided, undecided, "undecided pixels");
  }
}

export interface ConfusionState {
  counts: number[];
  undecided: number[];
}

/** Adds pixel counts, which are whole numbers below 2^53, so that their order does not matter. */
export function addCounts(sums: Float64Array, counts: readonly number[], what: string): void {
  if (!Array.isArray(counts) || counts.length !== sums.length || !counts.every(Number.isSafeInteger)) {
    throw expected(`${sums.length} whole numbers`, what, counts);
  }
  for (const [i, count] of counts.entries()) sums[i]! += count;
}

function outside(whose: string, label: number, index: number, width: number, classCount: number): CsrmError {
  const where = `x=${index % width}, y=${Math.floor(index / width)}`;
  return new CsrmError(`expected ${whose} labels in 0..${classCount - 1} or ${IGNORE}, got ${label} at ${where}`, {
    code: "data",
  });
}
