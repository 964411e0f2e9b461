/**
 * Attention over the cells of a map with positions relative to each other, decomposed into rows and columns (Li et al. 2022, as in
 * SAM), in blocks of scores that stay in the processor's cache.
 */
import { empty, fromTypedArray, noGrad, op, scope, type Tensor, zeros } from "../../torch/index.ts";
import { Linear, Module, parameter } from "../../torch/nn/index.ts";
import { type Cut, cutHeads, filledUp, joinHeads } from "./windows.ts";

/** Scores that are worked on at once; more would go to memory and back between the steps. */
const BLOCK = 2 ** 20;

export interface AttentionOptions {
  heads: number;
  /** Side of the square map, or of the windows, that attention spans: the relative positions are stored for it. */
  side: number;
  /** Attend within windows of `side` × `side` cells, not over the whole map. */
  windowed: boolean;
}

/** Multi-head self-attention, for inference. x [B, H, W, C] → [B, H, W, C]. */
export class RelativeAttention extends Module {
  readonly rel_pos_h: Tensor;
  readonly rel_pos_w: Tensor;
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly heads: number;
  readonly side: number;
  readonly windowed: boolean;

  constructor(dim: number, { heads, side, windowed }: AttentionOptions) {
    super();
    this.heads = heads;
    this.side = side;
    this.windowed = windowed;
    this.rel_pos_h = parameter(zeros([2 * side - 1, dim / heads]));
    this.rel_pos_w = parameter(zeros([2 * side - 1, dim / heads]));
    this.qkv = new Linear(dim, 3 * dim);
    this.proj = new Linear(dim, dim);
  }

  forward(x: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const { heads, side, windowed } = this;
        const [, height, width] = x.shape as [number, number, number, number];
        const cut: Cut = { heads, size: [side, side], interleaved: false };
        let qkv = this.qkv.forward(x); // [B, H, W, 3C]
        // Cells that fill up the last windows are zeros before the projection: its bias stands for them.
        if (windowed) qkv = filledUp(qkv, side, this.qkv.bias!);
        const parts = cutHeads(qkv, cut);
        const [q, k, v] = [0, 1, 2].map((i) => parts.select(0, i)) as [Tensor, Tensor, Tensor];
        return this.proj.forward(joinHeads(this.attend(q, k, v), [height, width], cut));
      }),
    );
  }

  /**
   * softmax(q·kᵀ/√d + positions)·v.
   * @param q, k, v [n, side², d]
   */
  private attend(q: Tensor, k: Tensor, v: Tensor): Tensor {
    const { side } = this;
    const [count, cells, d] = q.shape as [number, number, number];
    const down = this.positions(this.rel_pos_h, q.dtype); // [side, d, side]
    const across = this.positions(this.rel_pos_w, q.dtype);
    const keys = k.transpose(1, 2); // [n, d, side²]
    const result = empty([count, cells, d], { dtype: q.dtype, device: q.device });
    // Whole rows of the map, so that the cells of a block form a map too.
    const lines = Math.max(1, Math.min(side, Math.floor(BLOCK / (cells * side))));
    const group = Math.max(1, Math.floor(BLOCK / (cells * cells)));
    for (let from = 0; from < count; from += group) {
      const n = Math.min(group, count - from);
      for (let line = 0; line < side; line += lines) {
        const m = Math.min(lines, side - line);
        scope(() => {
          const part = (tensor: Tensor) => tensor.narrow(0, from, n);
          const rows = part(q).narrow(1, line * side, m * side); // [n, m·side, d]
          const map = rows.reshape([n, m, side, d]);
          const vertical = map.matmul(down.narrow(0, line, m)); // [n, m, side, side]
          const horizontal = map.transpose(1, 2).matmul(across).transpose(1, 2); // [n, m, side, side]
          const scores = vertical
            .unsqueeze(-1)
            .add(horizontal.unsqueeze(-2))
            .reshape([n, m * side, cells]);
          ops.baddbmm_(scores, rows, part(keys), 1, d ** -0.5);
          result
            .narrow(0, from, n)
            .narrow(1, line * side, m * side)
            .copy_(scores.softmax(-1).matmul(part(v)));
        });
      }
    }
    return result;
  }

  /** What a query in row i has to be multiplied with for its score against row j: [side (i), d, side (j)]. */
  private positions(table: Tensor, dtype: Tensor["dtype"]): Tensor {
    const { side } = this;
    const index = new BigInt64Array(side * side);
    for (let i = 0; i < index.length; i++) index[i] = BigInt(Math.floor(i / side) - (i % side) + side - 1);
    const rows = table
      .detach()
      .to(dtype)
      .indexSelect(0, fromTypedArray(index, [side * side]).to({ device: table.device }));
    return rows.reshape([side, side, -1]).transpose(1, 2); // [side, side, d] → [side, d, side]
  }
}

const ops = { baddbmm_: op("aten::baddbmm_") };
