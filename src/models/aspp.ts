/** Atrous spatial pyramid pooling (Chen et al. 2018): parallel dilated convolutions and the image's mean, merged. */
import { cat, F, scope, type Tensor } from "../torch/index.ts";
import {
  Conv2d,
  Dropout,
  GlobalAvgPool2d,
  GroupNorm,
  kaimingNormal,
  Module,
  ReLU,
  Sequential,
} from "../torch/nn/index.ts";
import type { OutputStride } from "./backbone.ts";

/** Groups of every normalisation in the heads. */
export const HEAD_GROUPS = 4;

/** Bias-free convolution of a head, size-preserving, Kaiming fan-in. */
export function headConv(inChannels: number, outChannels: number, kernel: 1 | 3, dilation = 1): Conv2d {
  return new Conv2d(inChannels, outChannels, kernel, {
    padding: ((kernel - 1) / 2) * dilation,
    dilation,
    bias: false,
    init: kaimingNormal("fan_in"),
  });
}

/** The last, biased 1×1 convolution of a head; the bias keeps PyTorch's default. */
export function outputConv(inChannels: number, outChannels: number): Conv2d {
  return new Conv2d(inChannels, outChannels, 1, { init: kaimingNormal("fan_in") });
}

/** Dilations of the four branches: 6, 12, 18 at stride 16, scaled so that they cover the same pixels at another. */
export function asppRates(outputStride: OutputStride): number[] {
  return [1, ...[6, 12, 18].map((rate) => (rate * 16) / outputStride)];
}

class Branch extends Module {
  readonly atrous_conv: Conv2d;
  readonly bn: GroupNorm;

  constructor(inChannels: number, outChannels: number, rate: number) {
    super();
    this.atrous_conv = headConv(inChannels, outChannels, rate === 1 ? 1 : 3, rate);
    this.bn = new GroupNorm(HEAD_GROUPS, outChannels);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.bn.forward(this.convolve(x), { relu: true }));
  }

  /** Where the rate reaches beyond the map on all sides, the eight outer taps only ever meet zeros: the centre suffices. */
  private convolve(x: Tensor): Tensor {
    const { kernel, dilation, weight } = this.atrous_conv;
    if (kernel === 1 || dilation < Math.max(x.shape[2]!, x.shape[3]!)) return this.atrous_conv.forward(x);
    return F.conv2d(x, weight.slice(2, 1, 2).slice(3, 1, 2)); // weight [out, in, 3, 3] → [out, in, 1, 1]
  }
}

export interface AsppOptions {
  inChannels: number;
  /** Of each branch and of the output. */
  channels: number;
  outputStride: OutputStride;
  dropout?: number;
}

/** x [B, in, h, w] → [B, channels, h, w]; merge order: 1×1, the three rates, the image's mean. */
export class ASPP extends Module {
  readonly aspp1: Branch;
  readonly aspp2: Branch;
  readonly aspp3: Branch;
  readonly aspp4: Branch;
  readonly global_avg_pool: Sequential;
  readonly conv1: Conv2d;
  readonly bn1: GroupNorm;
  readonly dropout: Dropout;

  constructor({ inChannels, channels, outputStride, dropout = 0.5 }: AsppOptions) {
    super();
    const [r1, r2, r3, r4] = asppRates(outputStride);
    this.aspp1 = new Branch(inChannels, channels, r1!);
    this.aspp2 = new Branch(inChannels, channels, r2!);
    this.aspp3 = new Branch(inChannels, channels, r3!);
    this.aspp4 = new Branch(inChannels, channels, r4!);
    this.global_avg_pool = new Sequential(
      new GlobalAvgPool2d(),
      headConv(inChannels, channels, 1),
      new GroupNorm(HEAD_GROUPS, channels),
      new ReLU(),
    );
    this.conv1 = headConv(channels * 5, channels, 1);
    this.bn1 = new GroupNorm(HEAD_GROUPS, channels);
    this.dropout = new Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.pyramid(x));
  }

  private pyramid(x: Tensor): Tensor {
    const branches = [this.aspp1, this.aspp2, this.aspp3, this.aspp4].map((branch) => branch.forward(x));
    // The mean's map is constant, so repeating it is its bilinear upsampling.
    const pooled = this.global_avg_pool.forward(x).expand(branches[0]!.shape); // [B, channels, 1, 1] → [B, channels, h, w]
    const merged = this.conv1.forward(cat([...branches, pooled], 1)); // [B, 5·channels, h, w] → [B, channels, h, w]
    return this.dropout.forward(this.bn1.forward(merged, { relu: true }));
  }
}
