/** The wrapper of DeepLabV2's public training: one network on the image and on smaller copies of it, and the largest logit of each pixel. */
import { expected } from "../errors.ts";
import { F, scope, type Tensor } from "../torch/index.ts";
import { type Layer, Module } from "../torch/nn/index.ts";
import type { DeepLabV2 } from "./deeplab-v2.ts";

export interface MultiScaleLogits {
  /** The largest logit over the scales, of the size of the first scale's: [B, classes, h, w]. What prediction uses. */
  max: Tensor;
  /** Scale 1, then the smaller ones at their own sizes. */
  scales: Tensor[];
}

/**
 * Looks at the image at scale 1 and at smaller ones and takes the largest logit of each pixel. Training puts a loss on each scale
 * and on the maximum. Parameters: base.*.
 */
export class MultiScale<Base extends Layer = DeepLabV2> extends Module {
  readonly base: Base;
  readonly factors: readonly number[];

  /** @param factors beside 1, each between 0 and 1 */
  constructor(base: Base, factors: readonly number[] = [0.5, 0.75]) {
    super();
    if (!factors.every((factor) => factor > 0 && factor < 1)) throw expected("factors in 0..1", "scales", factors);
    this.base = base;
    this.factors = factors;
  }

  /** x [B, 3, H, W], as DEEPLAB_V2_MEAN_BGR says. */
  forward(x: Tensor): MultiScaleLogits {
    return scope(() => {
      const first = this.base.forward(x);
      const size: [number, number] = [first.shape[2]!, first.shape[3]!];
      const smaller = this.factors.map((scale) =>
        scope(() => this.base.forward(F.interpolate(x, { scale, mode: "bilinear" }))),
      );
      const max = scope(() =>
        smaller
          .map((each) => F.interpolate(each, { size, mode: "bilinear" }))
          .reduce((largest, each) => largest.maximum(each), first),
      );
      return { max: max === first ? first.clone() : max, scales: [first, ...smaller] };
    });
  }
}
