/** The end of both image encoders: two convolutions with layer normalisation over the channels, to the embedding's width. */
import { noGrad, scope, type Tensor } from "../../torch/index.ts";
import { Conv2d, type LayerNorm, ModuleList } from "../../torch/nn/index.ts";
import { ChannelNorm } from "./channel-norm.ts";

/** Children 0 … 3 as in the published files: 1 × 1 convolution, norm, 3 × 3 convolution, norm. */
export class Neck extends ModuleList<Conv2d | LayerNorm> {
  constructor(dim: number, channels: number) {
    super([
      new Conv2d(dim, channels, 1, { bias: false }),
      new ChannelNorm(channels),
      new Conv2d(channels, channels, 3, { padding: 1, bias: false }),
      new ChannelNorm(channels),
    ]);
  }

  /** [B, h, w, dim] → [B, channels, h, w] with the channels last in memory. */
  override forward(x: Tensor): Tensor {
    return noGrad(() => scope(() => [...this].reduce((y, layer) => layer.forward(y), x.permute([0, 3, 1, 2]))));
  }
}
