/**
 * Attention between a few tokens and the many cells of an image. Products are bracketed so that nothing is projected for every cell: with
 * T tokens in h heads, h·T vectors meet the cells instead of two projections of all cells, less than half the arithmetic for T ≤ 8.
 * The results are those of projecting queries, keys and values, up to rounding.
 */
import { op, scope, type Tensor } from "../../torch/index.ts";
import { Linear, Module } from "../../torch/nn/index.ts";

export interface AttentionSize {
  dim: number;
  heads: number;
  /** Width of queries, keys and values; default dim. */
  inner?: number;
}

/** Multi-head attention; queries, keys and values [B, n, dim]. */
export class Attention extends Module {
  readonly q_proj: Linear;
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  readonly out_proj: Linear;
  readonly heads: number;

  constructor({ dim, heads, inner = dim }: AttentionSize) {
    super();
    this.heads = heads;
    this.q_proj = new Linear(dim, inner);
    this.k_proj = new Linear(dim, inner);
    this.v_proj = new Linear(dim, inner);
    this.out_proj = new Linear(inner, dim);
  }

  /** Tokens among themselves. → [B, T, dim] */
  forward(q: Tensor, k: Tensor, v: Tensor): Tensor {
    return scope(() => {
      const [queries, keys, values] = [
        this.split(this.q_proj.forward(q)),
        this.split(this.k_proj.forward(k)),
        this.split(this.v_proj.forward(v)),
      ]; // [B, h, T, d]
      const scores = queries.matmul(keys.transpose(2, 3)).mul(queries.size(-1) ** -0.5);
      return this.out_proj.forward(this.unite(scores.softmax(-1).matmul(values)));
    });
  }

  /**
   * Tokens read from the cells.
   * @param tokens queries [B, T, dim]
   * @param keys, values [B or 1, N, dim]
   * @returns [B, T, dim]
   */
  fromCells(tokens: Tensor, keys: Tensor, values: Tensor): Tensor {
    return scope(() => {
      const q = this.split(this.q_proj.forward(tokens)); // [B, h, T, d]
      const [batch, heads, count, d] = q.shape as [number, number, number, number];
      // The keys' bias adds the same to all scores of a query, which the softmax does not see.
      const seen = q.matmul(this.byHead(this.k_proj.weight)).mul(d ** -0.5); // [B, h, T, dim]
      const scores = productWithCells(seen.reshape([batch, heads * count, -1]), keys.transpose(1, 2)); // [B, hT, N]
      const read = productWithCells(scores.softmax(-1), values).reshape([batch, heads, count, -1]); // [B, h, T, dim]
      const out = read.matmul(this.byHead(this.v_proj.weight).transpose(1, 2)); // [B, h, T, d]
      return this.out_proj.forward(this.unite(out).add(this.v_proj.bias!));
    });
  }

  /**
   * Cells read from the tokens.
   * @param cells queries [B or 1, N, dim]
   * @param keys, values [B, T, dim]
   * @returns what is to be added to the cells, as weights [B, N, hT] and vectors [B, hT, dim] whose product it is
   */
  toCells(cells: Tensor, keys: Tensor, values: Tensor): { weights: Tensor; vectors: Tensor } {
    return scope(() => {
      const k = this.split(this.k_proj.forward(keys)); // [B, h, T, d]
      const [batch, heads, count, d] = k.shape as [number, number, number, number];
      const scale = d ** -0.5;
      const seen = k
        .matmul(this.byHead(this.q_proj.weight))
        .mul(scale)
        .reshape([batch, heads * count, -1]);
      const bias = k
        .matmul(this.q_proj.bias!.reshape([heads, d, 1]))
        .mul(scale)
        .reshape([batch, heads * count, 1]);
      const scores = productWithCells(seen, cells.transpose(1, 2)).add_(bias); // [B, hT, N]
      const weights = scores
        .view([batch, heads, count, -1])
        .softmax(2)
        .reshape([batch, heads * count, -1]);
      const v = this.split(this.v_proj.forward(values)); // [B, h, T, d]
      const out = v.matmul(this.byHead(this.out_proj.weight.transpose(0, 1))); // [B, h, T, dim]
      // The weights of a head sum to 1, those of all heads to h.
      const vectors = out.reshape([batch, heads * count, -1]).add(this.out_proj.bias!.div(heads));
      return { weights: weights.transpose(1, 2), vectors };
    });
  }

  /** [B, n, inner] → [B, h, n, d]. */
  private split(x: Tensor): Tensor {
    const [batch, count, inner] = x.shape as [number, number, number];
    return x.reshape([batch, count, this.heads, inner / this.heads]).transpose(1, 2);
  }

  /** A weight [inner, dim] → [h, d, dim]. */
  private byHead(weight: Tensor): Tensor {
    const [inner, dim] = weight.shape as [number, number];
    return weight.reshape([this.heads, inner / this.heads, dim]);
  }

  /** [B, h, n, d] → [B, n, inner]. */
  private unite(x: Tensor): Tensor {
    return x.transpose(1, 2).flatten(2);
  }
}

/**
 * a·b for each image; one product where all share the cells.
 * @param a [B, m, k]
 * @param b [B or 1, k, n]
 */
function productWithCells(a: Tensor, b: Tensor): Tensor {
  if (a.shape[0] === b.shape[0]) return ops.bmm(a, b);
  const [batch, m] = a.shape as [number, number];
  return a.flatten(0, 1).matmul(b.select(0, 0)).view([batch, m, -1]);
}

const ops = { bmm: op("aten::bmm") };
