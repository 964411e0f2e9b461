/** ResNeSt-50, -101, -200 and -269 (Zhang et al. 2020), fast variant off: radix 2, cardinality 1, deep stem, average-pool strides. */
import { scope, type Tensor } from "../torch/index.ts";
import {
  AvgPool2d,
  BatchNorm2d,
  type Conv2d,
  convNorm,
  Identity,
  Module,
  ReLU,
  Sequential,
} from "../torch/nn/index.ts";
import { type BackboneOptions, backboneDefaults } from "./backbone.ts";
import { type BlockBuilder, conv, ResidualBackbone } from "./residual.ts";
import { SplAtConv2d } from "./splat.ts";

type Block = Parameters<BlockBuilder>[0];

/**
 * Bottleneck with split attention. Where a stage begins (but for layer1), a 3×3 average pool takes over the stride of the
 * 3×3 convolution; it stays, at stride 1, in a stage that is dilated instead of strided.
 */
class SplAtBottleneck extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: SplAtConv2d;
  readonly avd_layer: AvgPool2d | null;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor({ inChannels, planes, stride, dilation, first, stage }: Block) {
    super();
    this.conv1 = conv(inChannels, planes, 1);
    this.bn1 = new BatchNorm2d(planes);
    this.conv2 = new SplAtConv2d(planes, planes, { dilation });
    this.avd_layer = first && stage > 0 ? new AvgPool2d(3, { stride, padding: 1 }) : null;
    this.conv3 = conv(planes, planes * 4, 1);
    this.bn3 = new BatchNorm2d(planes * 4);
    this.downsample = first ? projection(inChannels, planes * 4, stride) : null;
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      let y = convNorm(x, this.conv1, this.bn1, { relu: true });
      y = this.conv2.forward(y);
      if (this.avd_layer) y = this.avd_layer.forward(y);
      return convNorm(y, this.conv3, this.bn3, { more: this.downsample?.forward(x) ?? x, relu: true });
    });
  }
}

/** Shortcut of a stage's first block: average pool by the stride, 1×1 convolution, normalisation (indices 0, 1, 2). */
function projection(inChannels: number, outChannels: number, stride: number): Sequential {
  return new Sequential(
    stride === 1 ? new Identity() : new AvgPool2d(stride, { ceilMode: true, countIncludePad: false }),
    conv(inChannels, outChannels, 1),
    new BatchNorm2d(outChannels),
  );
}

/** Three 3×3 convolutions, the first with stride 2 (indices 0–6; the last one's normalisation is the network's bn1). */
function deepStem(width: number): Sequential {
  return new Sequential(
    conv(3, width, 3, { stride: 2 }),
    new BatchNorm2d(width),
    new ReLU(),
    conv(width, width, 3),
    new BatchNorm2d(width),
    new ReLU(),
    conv(width, width * 2, 3),
  );
}

/**
 * Builds a ResNeSt; blocks and stem width: 50: 3,4,6,3, 32; 101: 3,4,23,3, 64; 200: 3,24,36,3, 64; 269: 3,30,48,8, 64.
 */
export function resnest(
  blocks: readonly [number, number, number, number],
  stemWidth: number,
  options: BackboneOptions = {},
): ResidualBackbone {
  const { outputStride, classes } = { ...backboneDefaults, ...options };
  return new ResidualBackbone({
    conv1: deepStem(stemWidth),
    stemChannels: stemWidth * 2,
    blocks,
    expansion: 4,
    build: (spec) => new SplAtBottleneck(spec),
    outputStride,
    classes,
  });
}
