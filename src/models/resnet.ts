/** ResNet-18, -34, -50 and -101 (He et al. 2016), as in torchvision: the stride sits in the bottleneck's 3×3 convolution. */
import { scope, type Tensor } from "../torch/index.ts";
import { BatchNorm2d, type Conv2d, convNorm, Module, Sequential } from "../torch/nn/index.ts";
import { type BackboneOptions, backboneDefaults } from "./backbone.ts";
import { type BlockBuilder, conv, ResidualBackbone } from "./residual.ts";

type Block = Parameters<BlockBuilder>[0];

/** relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut x), two 3×3 convolutions. */
class BasicBlock extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor({ inChannels, planes, stride, dilation }: Block) {
    super();
    this.conv1 = conv(inChannels, planes, 3, { stride, dilation });
    this.bn1 = new BatchNorm2d(planes);
    this.conv2 = conv(planes, planes, 3, { dilation });
    this.bn2 = new BatchNorm2d(planes);
    this.downsample = projection(inChannels, planes, stride);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const y = convNorm(x, this.conv1, this.bn1, { relu: true });
      return convNorm(y, this.conv2, this.bn2, { more: this.downsample?.forward(x) ?? x, relu: true });
    });
  }
}

/** 1×1 to `planes`, 3×3 (stride, dilation), 1×1 to 4·planes, each with its normalisation; then the shortcut. */
class Bottleneck extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor({ inChannels, planes, stride, dilation }: Block) {
    super();
    this.conv1 = conv(inChannels, planes, 1);
    this.bn1 = new BatchNorm2d(planes);
    this.conv2 = conv(planes, planes, 3, { stride, dilation });
    this.bn2 = new BatchNorm2d(planes);
    this.conv3 = conv(planes, planes * 4, 1);
    this.bn3 = new BatchNorm2d(planes * 4);
    this.downsample = projection(inChannels, planes * 4, stride);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      let y = convNorm(x, this.conv1, this.bn1, { relu: true });
      y = convNorm(y, this.conv2, this.bn2, { relu: true });
      return convNorm(y, this.conv3, this.bn3, { more: this.downsample?.forward(x) ?? x, relu: true });
    });
  }
}

/** The shortcut's convolution and normalisation, where the shapes differ. */
function projection(inChannels: number, outChannels: number, stride: number): Sequential | null {
  if (stride === 1 && inChannels === outChannels) return null;
  return new Sequential(conv(inChannels, outChannels, 1, { stride }), new BatchNorm2d(outChannels));
}

/** Builds a ResNet; blocks per stage of 18: 2,2,2,2; 34 and 50: 3,4,6,3; 101: 3,4,23,3. */
export function resnet(
  block: "basic" | "bottleneck",
  blocks: readonly [number, number, number, number],
  options: BackboneOptions = {},
): ResidualBackbone {
  const { outputStride, classes } = { ...backboneDefaults, ...options };
  return new ResidualBackbone({
    conv1: conv(3, 64, 7, { stride: 2 }),
    stemChannels: 64,
    blocks,
    expansion: block === "basic" ? 1 : 4,
    build: (spec) => (block === "basic" ? new BasicBlock(spec) : new Bottleneck(spec)),
    outputStride,
    classes,
  });
}
