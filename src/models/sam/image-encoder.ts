/** SAM's image encoder: a plain vision transformer whose blocks attend within windows or over the whole image. */
import { noGrad, scope, type Tensor, zeros } from "../../torch/index.ts";
import { Conv2d, LayerNorm, Module, ModuleList, parameter } from "../../torch/nn/index.ts";
import { RelativeAttention } from "./attention.ts";
import type { VitConfig } from "./config.ts";
import { Neck } from "./neck.ts";
import { Perceptron } from "./perceptron.ts";

/** Cells whose hidden values are worked on at once. */
const MLP_BLOCK = 1024;

/** From a normalised photograph [B, 3, S, S] to its embedding [B, C, S/stride, S/stride]. */
export abstract class ImageEncoder extends Module {
  abstract override forward(images: Tensor): Tensor;

  /**
   * Computes matrix products in this precision; sums over blocks, normalisation and the embedding stay float32.
   * Halves the parameters' memory with bfloat16.
   */
  abstract setPrecision(dtype: "float32" | "bfloat16"): this;
}

/** x [B, H, W, C] → x + attention → + perceptron, each of the normalised map (Dosovitskiy et al. 2021). */
export class VitBlock extends Module {
  readonly norm1: LayerNorm;
  readonly attn: RelativeAttention;
  readonly norm2: LayerNorm;
  readonly mlp: Perceptron;

  constructor({ dim, heads, window, mlpRatio }: VitConfig, { side, windowed }: { side: number; windowed: boolean }) {
    super();
    this.norm1 = new LayerNorm(dim, { eps: 1e-6 });
    this.attn = new RelativeAttention(dim, { heads, side: windowed ? window : side, windowed });
    this.norm2 = new LayerNorm(dim, { eps: 1e-6 });
    this.mlp = new Perceptron(dim, dim * mlpRatio, "gelu");
  }

  /** Adds to x in place and returns it. */
  forward(x: Tensor): Tensor {
    const dtype = this.mlp.lin1.weight.dtype;
    scope(() => void x.add_(this.attn.forward(this.norm1.forward(x).to(dtype))));
    const cells = x.view([-1, x.size(-1)]); // [B·H·W, C]
    for (const part of cells.split(MLP_BLOCK)) {
      scope(() => void part.add_(this.mlp.forward(this.norm2.forward(part).to(dtype))));
    }
    return x;
  }
}

class PatchEmbed extends Module {
  readonly proj: Conv2d;

  constructor({ patch, dim }: VitConfig) {
    super();
    this.proj = new Conv2d(3, dim, patch, { stride: patch });
  }

  /** [B, 3, S, S] → [B, S/patch, S/patch, dim], float32. */
  forward(images: Tensor): Tensor {
    return this.proj.forward(images).permute([0, 2, 3, 1]).contiguous();
  }
}

export class VitEncoder extends ImageEncoder {
  readonly pos_embed: Tensor;
  readonly patch_embed: PatchEmbed;
  readonly blocks: ModuleList<VitBlock>;
  readonly neck: Neck;

  constructor(config: VitConfig, { imageSize, channels }: { imageSize: number; channels: number }) {
    super();
    const side = imageSize / config.patch;
    this.pos_embed = parameter(zeros([1, side, side, config.dim]));
    this.patch_embed = new PatchEmbed(config);
    this.blocks = new ModuleList(
      Array.from(
        { length: config.depth },
        (_, index) => new VitBlock(config, { side, windowed: !config.globalBlocks.includes(index) }),
      ),
    );
    this.neck = new Neck(config.dim, channels);
  }

  forward(images: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const x = this.patch_embed.forward(images).add_(this.pos_embed); // [B, S/patch, S/patch, dim]
        for (const block of this.blocks) block.forward(x);
        return this.neck.forward(x);
      }),
    );
  }

  override setPrecision(dtype: "float32" | "bfloat16"): this {
    for (const { attn, mlp } of this.blocks) for (const part of [attn, mlp]) part.to({ dtype });
    return this;
  }
}
