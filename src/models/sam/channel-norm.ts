/** Layer normalisation of the channels of a map. */
import type { Tensor } from "../../torch/index.ts";
import { LayerNorm } from "../../torch/nn/index.ts";

/** Normalises the C values of each cell of x [B, C, H, W]; the result has its channels last in memory. */
export class ChannelNorm extends LayerNorm {
  constructor(channels: number) {
    super(channels, { eps: 1e-6 });
  }

  override forward(x: Tensor): Tensor {
    return super.forward(x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]);
  }
}
