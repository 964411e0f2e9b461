/** Everything that evaluating images counts; counts of parts of a list add up to exactly those of the whole. */
import { expected } from "../errors.ts";
import { Confusion, type ConfusionState } from "./confusion.ts";
import type { PredictionFolder } from "./predictions.ts";
import { ThresholdSweep } from "./threshold-sweep.ts";

/** Counts as JSON keeps them; of confusion and histogram only the one that the kind uses. */
export interface CountsState {
  kind: PredictionFolder["kind"];
  images: number;
  resized: number;
  confusion: ConfusionState | null;
  histogram: number[] | null;
}

interface CountsOptions {
  kind: PredictionFolder["kind"];
  classCount: number;
  thresholds: readonly number[];
}

export class Counts {
  readonly kind: PredictionFolder["kind"];
  /** Of label maps. */
  readonly confusion: Confusion;
  /** Of scores. */
  readonly sweep: ThresholdSweep;
  images = 0;
  /** Images whose prediction had another size than the mask. */
  resized = 0;

  constructor({ kind, classCount, thresholds }: CountsOptions) {
    this.kind = kind;
    this.confusion = new Confusion(classCount);
    this.sweep = new ThresholdSweep(classCount, thresholds);
  }

  state(): CountsState {
    const { kind, images, resized } = this;
    const confusion = kind === "labels" ? this.confusion.state() : null;
    return { kind, images, resized, confusion, histogram: kind === "cams" ? this.sweep.state() : null };
  }

  /** Adds what was counted on other images. @throws CsrmError for counts of another kind, other classes or other thresholds */
  addState({ kind, images, resized, confusion, histogram }: CountsState): void {
    if (kind !== this.kind) throw expected(`counts of ${this.kind}`, "a part of the evaluation", kind);
    if (kind === "labels" && confusion) this.confusion.addState(confusion);
    else if (kind === "cams" && histogram) this.sweep.addState(histogram);
    else throw expected(`counts of ${kind}`, "a part of the evaluation", "none");
    this.images += images;
    this.resized += resized;
  }
}
