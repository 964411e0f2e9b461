/** Split-attention convolution of ResNeSt (Zhang et al. 2020, github.com/zhanghang1989/ResNeSt), cardinality 1. */
import { kernelsTake, op, scope, type Tensor } from "../torch/index.ts";
import { BatchNorm2d, Conv2d, convNorm, kaimingNormal, Module } from "../torch/nn/index.ts";
import { conv } from "./residual.ts";

const attend = op("csrm::gpu_attend");

/** Splits of the channels among which the attention chooses. */
const RADIX = 2;

/**
 * A grouped 3×3 convolution gives two maps of `channels` each; from their pooled sum, two 1×1 convolutions compute a
 * weight per map and channel (softmax over the maps), and the weighted sum is the output.
 * x [B, in, H, W] → [B, channels, H', W'].
 */
export class SplAtConv2d extends Module {
  readonly conv: Conv2d;
  readonly bn0: BatchNorm2d;
  readonly fc1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly fc2: Conv2d;
  readonly channels: number;

  constructor(inChannels: number, channels: number, options: { stride?: number; dilation?: number } = {}) {
    super();
    const inner = Math.max((inChannels * RADIX) / 4, 32);
    const init = kaimingNormal("fan_out");
    this.conv = conv(inChannels, channels * RADIX, 3, { ...options, groups: RADIX });
    this.bn0 = new BatchNorm2d(channels * RADIX);
    this.fc1 = new Conv2d(channels, inner, 1, { init });
    this.bn1 = new BatchNorm2d(inner);
    this.fc2 = new Conv2d(inner, channels * RADIX, 1, { init });
    this.channels = channels;
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.attend(x));
  }

  private attend(x: Tensor): Tensor {
    const c = this.channels;
    const y = convNorm(x, this.conv, this.bn0, { relu: true }); // [B, 2c, H, W]
    const pooled = y.mean([2, 3]).reshape([-1, RADIX, c]).sum(1).reshape([-1, c, 1, 1]); // [B, c, 1, 1]
    const hidden = convNorm(pooled, this.fc1, this.bn1, { relu: true });
    const logits = this.fc2.forward(hidden).reshape([-1, RADIX, c]); // [B, R, c]
    // Autocast computes the softmax in float32; the cast keeps the large maps in y's type.
    const shares = logits
      .softmax(1)
      .to(y.dtype)
      .reshape([-1, RADIX * c]); // [B, 2c]
    if (kernelsTake(y) && c % 4 === 0) return attend(y, shares);
    const attention = shares.reshape([-1, RADIX * c, 1, 1]);
    const first = y.narrow(1, 0, c).mul(attention.narrow(1, 0, c));
    return first.add_(y.narrow(1, c, c).mul(attention.narrow(1, c, c))); // [B, c, H, W]
  }
}
