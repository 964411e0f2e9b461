/**
 * The image encoder of MobileSAM: TinyViT (Wu et al. 2022), a stage of convolutions and three stages of attention within windows. As
 * MobileSAM has it, the last stage keeps the resolution of the one before.
 */
import { F, noGrad, scope, type Tensor } from "../../torch/index.ts";
import { BatchNorm2d, Conv2d, convNorm, GELU, LayerNorm, Linear, Module, ModuleList } from "../../torch/nn/index.ts";
import type { TinyVitConfig } from "./config.ts";
import { ImageEncoder } from "./image-encoder.ts";
import { Neck } from "./neck.ts";
import { WindowAttention } from "./window-attention.ts";

/** Factor between a block's width and that of its hidden layer, in convolutions and perceptrons. */
const EXPANSION = 4;

interface ConvOptions {
  kernel?: 1 | 3;
  stride?: 1 | 2;
  depthwise?: boolean;
}

/** A convolution without bias and its batch normalisation, called c and bn. */
class NormedConv extends Module {
  readonly c: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, { kernel = 1, stride = 1, depthwise }: ConvOptions = {}) {
    super();
    const geometry = { stride, padding: (kernel - 1) / 2, groups: depthwise ? inChannels : 1, bias: false };
    this.c = new Conv2d(inChannels, outChannels, kernel, geometry);
    this.bn = new BatchNorm2d(outChannels);
  }

  forward(x: Tensor): Tensor {
    return convNorm(x, this.c, this.bn);
  }
}

/** Two convolutions of stride 2. [B, 3, S, S] → [B, dim, S/4, S/4] */
class PatchEmbed extends Module {
  readonly seq: ModuleList<NormedConv | GELU>;

  constructor(dim: number) {
    super();
    const options: ConvOptions = { kernel: 3, stride: 2 };
    this.seq = new ModuleList([new NormedConv(3, dim / 2, options), new GELU(), new NormedConv(dim / 2, dim, options)]);
  }

  forward(x: Tensor): Tensor {
    return scope(() => [...this.seq].reduce((y, layer) => layer.forward(y), x));
  }
}

/** Inverted bottleneck (Sandler et al. 2018) with GELUs, the last one after the shortcut. */
class ConvBlock extends Module {
  readonly conv1: NormedConv;
  readonly conv2: NormedConv;
  readonly conv3: NormedConv;

  constructor(dim: number) {
    super();
    const hidden = dim * EXPANSION;
    this.conv1 = new NormedConv(dim, hidden);
    this.conv2 = new NormedConv(hidden, hidden, { kernel: 3, depthwise: true });
    this.conv3 = new NormedConv(hidden, dim);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const hidden = F.gelu(this.conv2.forward(F.gelu(this.conv1.forward(x))));
      return F.gelu(this.conv3.forward(hidden).add_(x));
    });
  }
}

/** To the next stage's width, and half the resolution with stride 2. */
class PatchMerging extends Module {
  readonly conv1: NormedConv;
  readonly conv2: NormedConv;
  readonly conv3: NormedConv;

  constructor(dim: number, outDim: number, stride: 1 | 2) {
    super();
    this.conv1 = new NormedConv(dim, outDim);
    this.conv2 = new NormedConv(outDim, outDim, { kernel: 3, stride, depthwise: true });
    this.conv3 = new NormedConv(outDim, outDim);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.conv3.forward(F.gelu(this.conv2.forward(F.gelu(this.conv1.forward(x))))));
  }
}

class NormedPerceptron extends Module {
  readonly norm: LayerNorm;
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(dim: number) {
    super();
    this.norm = new LayerNorm(dim);
    this.fc1 = new Linear(dim, dim * EXPANSION);
    this.fc2 = new Linear(dim * EXPANSION, dim);
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.fc2.forward(F.gelu(this.fc1.forward(this.norm.forward(x).to(this.fc1.weight.dtype)))));
  }
}

/** x + attention → depthwise convolution → + perceptron. */
class AttentionBlock extends Module {
  readonly attn: WindowAttention;
  readonly mlp: NormedPerceptron;
  readonly local_conv: NormedConv;

  constructor(dim: number, heads: number, window: number) {
    super();
    this.attn = new WindowAttention(dim, { heads, side: window });
    this.mlp = new NormedPerceptron(dim);
    this.local_conv = new NormedConv(dim, dim, { kernel: 3, depthwise: true });
  }

  /** [B, dim, H, W] with the channels last in memory, as every map between blocks here. */
  forward(x: Tensor): Tensor {
    return scope(() => {
      const cells = x.permute([0, 2, 3, 1]);
      const attended = cells.add(this.attn.forward(cells));
      const mixed = this.local_conv.forward(attended.permute([0, 3, 1, 2])).permute([0, 2, 3, 1]);
      return mixed.add(this.mlp.forward(mixed)).permute([0, 3, 1, 2]);
    });
  }
}

class Stage extends Module {
  readonly blocks: ModuleList<ConvBlock | AttentionBlock>;
  /** Absent in the last stage. */
  readonly downsample: PatchMerging | null;

  constructor(config: TinyVitConfig, stage: number) {
    super();
    const [dim, next] = [config.dims[stage]!, config.dims[stage + 1]];
    const block = () =>
      stage === 0 ? new ConvBlock(dim) : new AttentionBlock(dim, config.heads[stage]!, config.windows[stage]!);
    this.blocks = new ModuleList(Array.from({ length: config.depths[stage]! }, block));
    this.downsample = next === undefined ? null : new PatchMerging(dim, next, stage < 2 ? 2 : 1);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const y = [...this.blocks].reduce((map, block) => block.forward(map), x);
      return this.downsample ? this.downsample.forward(y) : y;
    });
  }
}

export class TinyVitEncoder extends ImageEncoder {
  readonly patch_embed: PatchEmbed;
  readonly layers: ModuleList<Stage>;
  /** Of the pretraining's classifier: in the published file, but not used. */
  readonly norm_head: LayerNorm;
  readonly head: Linear;
  readonly neck: Neck;

  constructor(config: TinyVitConfig, { channels }: { channels: number }) {
    super();
    const last = config.dims[3];
    this.patch_embed = new PatchEmbed(config.dims[0]);
    this.layers = new ModuleList(config.dims.map((_, stage) => new Stage(config, stage)));
    this.norm_head = new LayerNorm(last);
    this.head = new Linear(last, config.classes);
    this.neck = new Neck(last, channels);
  }

  forward(images: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const x = this.patch_embed.forward(images.contiguous("channels_last")); // [B, dim, S/4, S/4]
        const y = [...this.layers].reduce((map, stage) => stage.forward(map), x); // [B, dim, S/16, S/16]
        return this.neck.forward(y.permute([0, 2, 3, 1]));
      }),
    );
  }

  /** Of attention and perceptrons; the convolutions stay float32. */
  override setPrecision(dtype: "float32" | "bfloat16"): this {
    for (const { blocks } of this.layers) {
      for (const block of blocks) {
        if (!(block instanceof AttentionBlock)) continue;
        for (const part of [block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2]) part.to({ dtype });
      }
    }
    return this;
  }
}
