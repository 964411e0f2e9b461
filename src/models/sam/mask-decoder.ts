/** SAM's mask decoder: from an image's embedding and prompts to four masks a prompt and how well each is expected to fit. */
import { cat, F, noGrad, scope, type Tensor, zeros } from "../../torch/index.ts";
import { GELU, LayerNorm, Linear, Module, ModuleList, parameter } from "../../torch/nn/index.ts";
import type { SamConfig } from "./config.ts";
import { Embedding } from "./prompt-encoder.ts";
import { TwoWayTransformer } from "./two-way-transformer.ts";

/** Mask 0 is for prompts that leave no doubt, 1 … 3 are the whole, a part and a part of that. */
export const MASKS = 4;

export interface DecoderInput {
  /** [1, C, h, w] of the image. */
  embedding: Tensor;
  /** Of the prompt encoder: [1, C, h, w]. */
  positions: Tensor;
  /** Of the prompt encoder: [B, n, C]. */
  sparse: Tensor;
  /** Of the prompt encoder: [B, C, h, w] or [1, C, 1, 1]. */
  dense: Tensor;
}

/** What the transformer made of B prompts; the masks are drawn from it. */
export interface Decoded {
  /** [B, 4], the intersection over union that the network expects of each mask. */
  iou: Tensor;
  /** [B, 4, C] */
  tokens: Tensor;
  /** [B, h·w, C] */
  cells: Tensor;
  height: number;
  width: number;
}

/** Linear layers with ReLUs between them. */
class DeepPerceptron extends Module {
  readonly layers: ModuleList<Linear>;

  constructor(widths: readonly number[]) {
    super();
    this.layers = new ModuleList(widths.slice(1).map((width, index) => new Linear(widths[index]!, width)));
  }

  forward(x: Tensor): Tensor {
    return scope(() =>
      [...this.layers].reduce((y, layer, i) => layer.forward(i === 0 ? y : F.relu(y, { inplace: true })), x),
    );
  }
}

/**
 * A transposed convolution of 2 × 2 with stride 2, which gives each cell four children: a linear layer on lists of cells.
 * x [..., in] → [..., 4, out], the children row by row; weight [in, out, 2, 2].
 */
class Children extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.weight = parameter(zeros([inChannels, outChannels, 2, 2]));
    this.bias = parameter(zeros([outChannels]));
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const [inChannels, outChannels] = this.weight.shape as [number, number];
      const weight = this.weight.permute([2, 3, 1, 0]).reshape([4 * outChannels, inChannels]);
      const grown = F.linear(x, weight, this.bias.repeat([4]));
      return grown.view([...x.shape.slice(0, -1), 4, outChannels]);
    });
  }
}

export class MaskDecoder extends Module {
  readonly transformer: TwoWayTransformer;
  readonly iou_token: Embedding;
  readonly mask_tokens: Embedding;
  /** Children 0, 1 and 3 hold parameters: to twice the side, norm, GELU, to four times the side, GELU. */
  readonly output_upscaling: ModuleList<Children | LayerNorm | GELU>;
  readonly output_hypernetworks_mlps: ModuleList<DeepPerceptron>;
  readonly iou_prediction_head: DeepPerceptron;

  constructor({ channels, decoder }: SamConfig) {
    super();
    const { depth, heads, mlp, iouHidden, iouDepth } = decoder;
    this.transformer = new TwoWayTransformer({ dim: channels, depth, heads, mlp });
    this.iou_token = new Embedding(1, channels);
    this.mask_tokens = new Embedding(MASKS, channels);
    const [quarter, eighth] = [channels / 4, channels / 8];
    this.output_upscaling = new ModuleList([
      new Children(channels, quarter),
      new LayerNorm(quarter, { eps: 1e-6 }),
      new GELU(),
      new Children(quarter, eighth),
      new GELU(),
    ]);
    this.output_hypernetworks_mlps = new ModuleList(
      Array.from({ length: MASKS }, () => new DeepPerceptron([channels, channels, channels, eighth])),
    );
    const hidden = new Array<number>(iouDepth - 1).fill(iouHidden);
    this.iou_prediction_head = new DeepPerceptron([channels, ...hidden, MASKS]);
  }

  /** The transformer's part: expected quality, and what `masks` needs. */
  decode({ embedding, positions, sparse, dense }: DecoderInput): Decoded {
    return noGrad(() =>
      scope(() => {
        const [, channels, height, width] = embedding.shape as [number, number, number, number];
        const batch = sparse.shape[0]!;
        const own = cat([this.iou_token.weight, this.mask_tokens.weight], 0); // [5, C]
        const tokens = cat([own.expand([batch, MASKS + 1, channels]), sparse], 1); // [B, 5 + n, C]
        const cells = embedding.add(dense).flatten(2).transpose(1, 2).contiguous(); // [B or 1, h·w, C]
        const places = { tokens, cells: positions.flatten(2).transpose(1, 2).contiguous() };
        const done = this.transformer.forward(cells, places);
        const iou = this.iou_prediction_head.forward(done.tokens.select(1, 0));
        return { iou, tokens: done.tokens.narrow(1, 1, MASKS), cells: done.cells, height, width };
      }),
    );
  }

  /** Logits [B, 4, 4h, 4w] of the masks; above 0 is inside. */
  masks({ tokens, cells, height, width }: Decoded): Tensor {
    return noGrad(() =>
      scope(() => {
        const batch = cells.shape[0]!;
        const grown = [...this.output_upscaling].reduce((y, layer) => layer.forward(y), cells); // [B, h·w, 4, 4, C/8]
        const hyper = [...this.output_hypernetworks_mlps].map((mlp, i) => mlp.forward(tokens.narrow(1, i, 1)));
        const masks = cat(hyper, 1).matmul(grown.view([batch, -1, grown.size(-1)]).transpose(1, 2)); // [B, 4, h·w·16]
        return masks
          .view([batch, MASKS, height, width, 2, 2, 2, 2])
          .permute([0, 1, 2, 4, 6, 3, 5, 7]) // rows: cell, child, grandchild; then columns
          .reshape([batch, MASKS, 4 * height, 4 * width]);
      }),
    );
  }

  forward(input: DecoderInput): { masks: Tensor; iou: Tensor } {
    return scope(() => {
      const decoded = this.decode(input);
      return { masks: this.masks(decoded), iou: decoded.iou };
    });
  }
}
