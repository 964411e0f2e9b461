/** MobileNetV2 (Sandler et al. 2018) with torchvision's names: features.0 … features.18, classifier.1. */
import { CsrmError } from "../errors.ts";
import type { Tensor } from "../torch/index.ts";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  kaimingNormal,
  type Layer,
  Linear,
  Module,
  normalInit,
  ReLU6,
  Sequential,
} from "../torch/nn/index.ts";
import { Backbone, type BackboneOptions, type BackbonePadding, backboneDefaults, strideStages } from "./backbone.ts";

/** Expansion, output channels, blocks, and which halving stage (0-based, after the stem) the first block begins. */
const settings = [
  { expansion: 1, channels: 16, blocks: 1, halves: null },
  { expansion: 6, channels: 24, blocks: 2, halves: 0 },
  { expansion: 6, channels: 32, blocks: 3, halves: 1 },
  { expansion: 6, channels: 64, blocks: 4, halves: 2 },
  { expansion: 6, channels: 96, blocks: 3, halves: null },
  { expansion: 6, channels: 160, blocks: 3, halves: 3 },
  { expansion: 6, channels: 320, blocks: 1, halves: null },
] as const;

const LAST_CHANNELS = 1280;

interface ConvOptions {
  kernel: 1 | 3;
  stride?: number;
  dilation?: number;
  groups?: number;
  padding: BackbonePadding;
}

/** Bias-free convolution. Only a stride of 2 pads differently in TensorFlow: at stride 1 "SAME" is symmetric. */
function conv(inChannels: number, outChannels: number, options: ConvOptions): Conv2d {
  const { kernel, stride = 1, dilation = 1, groups = 1, padding } = options;
  return new Conv2d(inChannels, outChannels, kernel, {
    stride,
    dilation,
    groups,
    padding: padding === "tf_same" && stride > 1 ? "tf_same" : ((kernel - 1) / 2) * dilation,
    bias: false,
    init: kaimingNormal("fan_out"),
  });
}

function convNormRelu(inChannels: number, outChannels: number, options: ConvOptions): Sequential {
  return new Sequential(conv(inChannels, outChannels, options), new BatchNorm2d(outChannels), new ReLU6());
}

interface BlockOptions {
  expansion: number;
  stride: number;
  dilation: number;
  padding: BackbonePadding;
}

/** 1×1 expansion (absent at expansion 1), 3×3 depthwise, linear 1×1; with a shortcut where the shapes allow it. */
class InvertedResidual extends Module {
  readonly conv: Sequential;
  readonly shortcut: boolean;

  constructor(inChannels: number, outChannels: number, { expansion, stride, dilation, padding }: BlockOptions) {
    super();
    const hidden = inChannels * expansion;
    const expand = expansion === 1 ? [] : [convNormRelu(inChannels, hidden, { kernel: 1, padding })];
    this.conv = new Sequential(
      ...expand,
      convNormRelu(hidden, hidden, { kernel: 3, stride, dilation, groups: hidden, padding }),
      conv(hidden, outChannels, { kernel: 1, padding }),
      new BatchNorm2d(outChannels),
    );
    this.shortcut = stride === 1 && inChannels === outChannels;
  }

  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return this.shortcut ? y.add_(x) : y; // in place: the gradient of a convolution does not need its output
  }
}

export class MobileNetV2 extends Backbone {
  readonly features: Sequential;
  readonly classifier: Sequential | null;
  readonly lowChannels = 24;
  readonly highChannels = LAST_CHANNELS;
  readonly outputStride: 8 | 16 | 32;
  readonly stageNames = ["features.3", "features.6", "features.13", "features.18"];

  constructor(options: BackboneOptions = {}) {
    super();
    const { outputStride, padding, classes } = { ...backboneDefaults, ...options };
    this.outputStride = outputStride;
    const layers: Layer[] = [convNormRelu(3, 32, { kernel: 3, stride: 2, padding })];
    const strides = strideStages(4, 2, outputStride);
    let inChannels = 32;
    let dilation = 1;
    for (const { expansion, channels, blocks, halves } of settings) {
      const stage = halves === null ? { stride: 1, firstDilation: dilation, dilation } : strides[halves]!;
      dilation = stage.dilation;
      for (let index = 0; index < blocks; index++) {
        const geometry =
          index === 0
            ? { stride: stage.stride, dilation: stage.firstDilation }
            : { stride: 1, dilation: stage.dilation };
        layers.push(new InvertedResidual(inChannels, channels, { expansion, padding, ...geometry }));
        inChannels = channels;
      }
    }
    layers.push(convNormRelu(inChannels, LAST_CHANNELS, { kernel: 1, padding }));
    this.features = new Sequential(...layers);
    this.classifier =
      classes > 0
        ? new Sequential(new Dropout(0.2), new Linear(LAST_CHANNELS, classes, { init: normalInit(0.01) }))
        : null;
  }

  stemLayers(): Layer[] {
    return [this.features.at(0)];
  }

  stageLayers(): Layer[][] {
    const layers = [...this.features];
    return [layers.slice(1, 4), layers.slice(4, 7), layers.slice(7, 14), layers.slice(14)];
  }

  stem(x: Tensor): Tensor {
    return this.features.at(0).forward(x); // [B, 32, H/2, W/2]
  }

  classify(high: Tensor): Tensor {
    if (!this.classifier) {
      throw new CsrmError("this backbone was built without its classifier; pass `classes` to build it");
    }
    return this.classifier.forward(high.mean([2, 3])); // [B, 1280, h, w] → [B, classes]
  }
}
