/** DeepLabV3+ (Chen et al. 2018) as the verification network: a backbone, ASPP and a decoder that sees the stride-4 map. */
import { expected } from "../errors.ts";
import { F, scope, type Tensor } from "../torch/index.ts";
import { type Conv2d, GroupNorm, Module, type Sequential } from "../torch/nn/index.ts";
import { ASPP, HEAD_GROUPS, headConv } from "./aspp.ts";
import type { Backbone } from "./backbone.ts";
import { fuse, LOW_CHANNELS, runHead, scoreDecoder } from "./decoder.ts";

export interface DeepLabV3PlusOptions {
  backbone: Backbone;
  /** K, the background included. */
  classes: number;
  /** Width of ASPP and decoder. Default 256. */
  headChannels?: number;
}

/** Reduces the stride-4 map, joins it with ASPP's and scores the classes; parameters conv1, bn1 and classifier.{0,1,4,5,8}. */
class Decoder extends Module {
  readonly conv1: Conv2d;
  readonly bn1: GroupNorm;
  readonly classifier: Sequential;

  constructor(lowChannels: number, channels: number, classes: number) {
    super();
    this.conv1 = headConv(lowChannels, LOW_CHANNELS, 1);
    this.bn1 = new GroupNorm(HEAD_GROUPS, LOW_CHANNELS);
    this.classifier = scoreDecoder({ inChannels: channels + LOW_CHANNELS, channels, classes, dropouts: [0.5, 0.1] });
  }

  /** aspp [B, channels, h, w] and low [B, low, H/4, W/4] → [B, classes, H/4, W/4]. */
  forward(aspp: Tensor, low: Tensor): Tensor {
    return scope(() => {
      const reduced = this.bn1.forward(this.conv1.forward(low), { relu: true }); // [B, 48, H/4, W/4]
      return runHead(this.classifier, fuse(aspp, reduced));
    });
  }
}

/** Parameters: backbone.*, aspp.*, decoder.*, named as in the authors' checkpoints. */
export class DeepLabV3Plus extends Module {
  readonly backbone: Backbone;
  readonly aspp: ASPP;
  readonly decoder: Decoder;
  readonly classes: number;

  constructor({ backbone, classes, headChannels = 256 }: DeepLabV3PlusOptions) {
    super();
    if (!Number.isInteger(classes) || classes < 2) throw expected("a whole number of at least 2", "classes", classes);
    if (!Number.isInteger(headChannels) || headChannels < HEAD_GROUPS || headChannels % HEAD_GROUPS !== 0) {
      throw expected(`a positive multiple of ${HEAD_GROUPS}`, "head channels", headChannels);
    }
    const { highChannels, lowChannels, outputStride } = backbone;
    this.backbone = backbone;
    this.aspp = new ASPP({ inChannels: highChannels, channels: headChannels, outputStride });
    this.decoder = new Decoder(lowChannels, headChannels, classes);
    this.classes = classes;
  }

  /** Normalised image [B, 3, H, W] → logits [B, classes, H/4, W/4]. */
  scores(x: Tensor): Tensor {
    return scope(() => {
      const { low, high } = this.backbone.forward(x);
      return this.decoder.forward(this.aspp.forward(high), low);
    });
  }

  /** Normalised image [B, 3, H, W] → logits of its own size [B, classes, H, W] (bilinear, corners aligned). */
  forward(x: Tensor): Tensor {
    const size: [number, number] = [x.shape[2]!, x.shape[3]!];
    return scope(() => F.interpolate(this.scores(x), { size, mode: "bilinear", alignCorners: true }));
  }
}
