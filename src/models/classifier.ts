/** A backbone with a bias-free 1×1 classifier, whose map before averaging is the class activation map. */
import { expected } from "../errors.ts";
import { scope, type Tensor } from "../torch/index.ts";
import { Conv2d, kaimingNormal, Module } from "../torch/nn/index.ts";
import type { Backbone } from "./backbone.ts";

export interface ClassifierOptions {
  backbone: Backbone;
  /** Foreground classes C. */
  classes: number;
}

export interface ClassifierOutput {
  /** [B, C], before the sigmoid. */
  logits: Tensor;
  /** Raw class activation map [B, C, h, w] at the output stride, whose spatial mean the logits are. */
  cam?: Tensor;
}

/** Image-level classifier; parameters backbone.* and classifier.weight [C, highChannels, 1, 1]. */
export class Classifier extends Module {
  readonly backbone: Backbone;
  readonly classifier: Conv2d;
  readonly classes: number;

  constructor({ backbone, classes }: ClassifierOptions) {
    super();
    if (!Number.isInteger(classes) || classes < 1) throw expected("a whole number of at least 1", "classes", classes);
    this.backbone = backbone;
    this.classifier = new Conv2d(backbone.highChannels, classes, 1, { bias: false, init: kaimingNormal("fan_in") });
    this.classes = classes;
  }

  /** Normalised image [B, 3, H, W] → logits, and the activation map unless `cam` is false. */
  forward(x: Tensor, { cam = true }: { cam?: boolean } = {}): ClassifierOutput {
    return scope(() => this.classify(this.backbone.forward(x).high, cam));
  }

  /** The classification branch on the last map. Without the activation map the mean is taken first, which is cheaper. */
  protected classify(high: Tensor, cam: boolean): ClassifierOutput {
    if (!cam) {
      return { logits: scope(() => this.classifier.forward(high.mean([2, 3], true)).flatten(1)) }; // [B, C, 1, 1] → [B, C]
    }
    const map = this.classifier.forward(high);
    return { logits: map.mean([2, 3]), cam: map };
  }
}
