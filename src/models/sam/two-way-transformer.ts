/** The transformer of SAM's mask decoder: tokens and the image's cells read from each other in turn. */
import { op, scope, type Tensor } from "../../torch/index.ts";
import { LayerNorm, Module, ModuleList } from "../../torch/nn/index.ts";
import { Perceptron } from "./perceptron.ts";
import { Attention } from "./two-way-attention.ts";

export interface TransformerSize {
  dim: number;
  depth: number;
  heads: number;
  mlp: number;
}

/** What goes through the layers: tokens [B, T, C] and cells [B or 1, N, C], with 1 as long as all prompts see the same. */
interface Both {
  tokens: Tensor;
  cells: Tensor;
}

export interface Places {
  /** The tokens as they were at first, added whenever tokens are matched with something. [B, T, C] */
  tokens: Tensor;
  /** Where the cells are. [1, N, C] */
  cells: Tensor;
}

class TwoWayLayer extends Module {
  readonly self_attn: Attention;
  readonly norm1: LayerNorm;
  readonly cross_attn_token_to_image: Attention;
  readonly norm2: LayerNorm;
  readonly mlp: Perceptron;
  readonly norm3: LayerNorm;
  readonly norm4: LayerNorm;
  readonly cross_attn_image_to_token: Attention;
  readonly first: boolean;

  /** @param first the first layer's tokens are their places, so its self-attention replaces them */
  constructor({ dim, heads, mlp }: TransformerSize, first: boolean) {
    super();
    this.self_attn = new Attention({ dim, heads });
    this.norm1 = new LayerNorm(dim);
    this.cross_attn_token_to_image = new Attention({ dim, heads, inner: dim / 2 });
    this.norm2 = new LayerNorm(dim);
    this.mlp = new Perceptron(dim, mlp, "relu");
    this.norm3 = new LayerNorm(dim);
    this.norm4 = new LayerNorm(dim);
    this.cross_attn_image_to_token = new Attention({ dim, heads, inner: dim / 2 });
    this.first = first;
  }

  forward({ tokens: before, cells }: Both, places: Places): Both {
    return scope(() => {
      let tokens = before;
      if (this.first) tokens = this.self_attn.forward(tokens, tokens, tokens);
      else {
        const placed = tokens.add(places.tokens);
        tokens = tokens.add(this.self_attn.forward(placed, placed, tokens));
      }
      tokens = this.norm1.forward(tokens);
      const placedCells = cells.add(places.cells);
      const read = this.cross_attn_token_to_image.fromCells(tokens.add(places.tokens), placedCells, cells);
      tokens = this.norm2.forward(tokens.add(read));
      tokens = this.norm3.forward(tokens.add(this.mlp.forward(tokens)));
      const { weights, vectors } = this.cross_attn_image_to_token.toCells(
        placedCells,
        tokens.add(places.tokens),
        tokens,
      );
      const shared = cells.expand([weights.shape[0]!, -1, -1]);
      return { tokens, cells: this.norm4.forward(ops.baddbmm(shared, weights, vectors)) };
    });
  }
}

export class TwoWayTransformer extends Module {
  readonly layers: ModuleList<TwoWayLayer>;
  readonly final_attn_token_to_image: Attention;
  readonly norm_final_attn: LayerNorm;

  constructor(size: TransformerSize) {
    super();
    const { dim, heads, depth } = size;
    this.layers = new ModuleList(Array.from({ length: depth }, (_, index) => new TwoWayLayer(size, index === 0)));
    this.final_attn_token_to_image = new Attention({ dim, heads, inner: dim / 2 });
    this.norm_final_attn = new LayerNorm(dim);
  }

  /**
   * @param cells [1 or B, N, C]
   * @returns tokens [B, T, C] and cells [B, N, C]
   */
  forward(cells: Tensor, places: Places): Both {
    return scope(() => {
      let both: Both = { tokens: places.tokens, cells };
      for (const layer of this.layers) {
        const next = layer.forward(both, places);
        // The cells of a batch are the largest tensors here: those of one layer at a time.
        if (both.cells !== cells) both.cells.dispose();
        both = next;
      }
      const read = this.final_attn_token_to_image.fromCells(
        both.tokens.add(places.tokens),
        both.cells.add(places.cells),
        both.cells,
      );
      return { tokens: this.norm_final_attn.forward(both.tokens.add(read)), cells: both.cells };
    });
  }
}

const ops = { baddbmm: op("aten::baddbmm") };
