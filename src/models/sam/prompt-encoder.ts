/** SAM's prompt encoder: points, boxes and masks as vectors of the embedding's width. */
import { expected } from "../../errors.ts";
import { arange, cat, fromTypedArray, noGrad, op, scope, stack, type Tensor, zeros } from "../../torch/index.ts";
import { buffer, Conv2d, GELU, type Layer, Module, ModuleList, parameter, Sequential } from "../../torch/nn/index.ts";
import { ChannelNorm } from "./channel-norm.ts";
import type { SamConfig } from "./config.ts";

/** Prompts for B masks, in pixels of the square input. At least one kind is given. */
export interface Prompts {
  /** [B, n, 2] x, y of pixels, and [B, n] labels: 1 belongs to the object, 0 does not. */
  points?: { xy: Tensor; labels: Tensor };
  /** [B, 4] x0, y0, x1, y1. */
  boxes?: Tensor;
  /** [B, 1, 4h, 4w] logits of an earlier mask, h × w the embedding's size. */
  masks?: Tensor;
}

/** A row of numbers that is looked up, not multiplied. */
export class Embedding extends Module {
  readonly weight: Tensor;

  constructor(rows: number, channels: number) {
    super();
    this.weight = parameter(zeros([rows, channels]));
  }

  /** All rows, [rows, C]. */
  forward(): Tensor {
    return this.weight;
  }
}

/** Sines and cosines of random projections of positions (Tancik et al. 2020). */
class FourierPositions extends Module {
  readonly positional_encoding_gaussian_matrix: Tensor;

  constructor(channels: number) {
    super();
    this.positional_encoding_gaussian_matrix = buffer(zeros([2, channels / 2]));
  }

  /** x, y in 0…1, [..., 2] → [..., C]. */
  forward(xy: Tensor): Tensor {
    const angles = xy
      .mul(2)
      .sub(1)
      .matmul(this.positional_encoding_gaussian_matrix)
      .mul(2 * Math.PI);
    return cat([ops.sin(angles), ops.cos(angles)], -1);
  }
}

export class PromptEncoder extends Module {
  readonly pe_layer: FourierPositions;
  /** Background point, foreground point, upper left corner, lower right corner. */
  readonly point_embeddings: ModuleList<Embedding>;
  readonly not_a_point_embed: Embedding;
  readonly mask_downscaling: Sequential;
  readonly no_mask_embed: Embedding;
  readonly imageSize: number;
  readonly side: number;

  constructor({ channels, maskChannels, imageSize, stride }: SamConfig) {
    super();
    this.imageSize = imageSize;
    this.side = imageSize / stride;
    this.pe_layer = new FourierPositions(channels);
    this.point_embeddings = new ModuleList(Array.from({ length: 4 }, () => new Embedding(1, channels)));
    this.not_a_point_embed = new Embedding(1, channels);
    const half = maskChannels / 4;
    const layers: Layer[] = [
      new Conv2d(1, half, 2, { stride: 2 }),
      new ChannelNorm(half),
      new GELU(),
      new Conv2d(half, maskChannels, 2, { stride: 2 }),
      new ChannelNorm(maskChannels),
      new GELU(),
      new Conv2d(maskChannels, channels, 1),
    ];
    this.mask_downscaling = new Sequential(...layers);
    this.no_mask_embed = new Embedding(1, channels);
  }

  /**
   * @returns sparse [B, n, C], a vector for each point and corner (and one that fills up points without a box); dense
   * [B, C, h, w], or [1, C, 1, 1] where no mask is given
   */
  forward({ points, boxes, masks }: Prompts): { sparse: Tensor; dense: Tensor } {
    return noGrad(() =>
      scope(() => {
        const parts: Tensor[] = [];
        if (points) parts.push(this.points(points.xy, points.labels, boxes === undefined));
        if (boxes) parts.push(this.corners(boxes));
        if (parts.length === 0 && !masks) throw expected("points, boxes or masks", "the prompts", "none");
        const { weight } = this.no_mask_embed;
        const [batch, channels] = [masks?.shape[0] ?? 0, weight.shape[1]!];
        return {
          sparse: parts.length > 0 ? cat(parts, 1) : zeros([batch, 0, channels], { device: weight.device }),
          dense: masks ? this.mask_downscaling.forward(masks) : weight.reshape([1, channels, 1, 1]),
        };
      }),
    );
  }

  /** The positions of the embedding's cells, [1, C, h, w]. */
  densePositions(): Tensor {
    return noGrad(() =>
      scope(() => {
        const { side } = this;
        const { device } = this.no_mask_embed.weight;
        const middles = arange(0, side, { device, dtype: "float32" }).add(0.5).div(side);
        const [x, y] = [
          middles.reshape([1, side]).expand([side, side]),
          middles.reshape([side, 1]).expand([side, side]),
        ];
        return this.pe_layer
          .forward(stack([x, y], -1))
          .permute([2, 0, 1])
          .unsqueeze(0); // [h, w, C] → [1, C, h, w]
      }),
    );
  }

  private positions(xy: Tensor): Tensor {
    return this.pe_layer.forward(xy.float().add(0.5).div(this.imageSize)); // pixels count from their middles
  }

  private points(xy: Tensor, labels: Tensor, fill: boolean): Tensor {
    const kinds = labels.float().unsqueeze(-1); // [B, n, 1]
    const [off, on] = [0, 1].map((kind) => kinds.eq(kind).float().mul(this.point_embeddings.at(kind).weight));
    const known = this.positions(xy).add(off!).add(on!); // [B, n, C]
    if (!fill) return known;
    const [batch, , channels] = known.shape as [number, number, number];
    return cat([known, this.not_a_point_embed.weight.expand([batch, 1, channels])], 1);
  }

  private corners(boxes: Tensor): Tensor {
    const kinds = cat([this.point_embeddings.at(2).weight, this.point_embeddings.at(3).weight], 0);
    return this.positions(boxes.reshape([-1, 2, 2])).add(kinds); // [B, 2, C]
  }
}

/** Points as a tensor for prompts: one foreground point for each mask, [B, 1, 2] and labels [B, 1]. */
export function foregroundPoints(
  points: readonly (readonly [x: number, y: number])[],
  device = "cpu",
): NonNullable<Prompts["points"]> {
  const xy = fromTypedArray(Float32Array.from(points.flat()), [points.length, 1, 2]).to({ device });
  return { xy, labels: fromTypedArray(new Float32Array(points.length).fill(1), [points.length, 1]).to({ device }) };
}

const ops = { sin: op("aten::sin"), cos: op("aten::cos") };
