/** TinyViT's attention within windows: every distance between two cells has a bias of its own (Graham et al. 2021, LeViT). */
import { fromTypedArray, noGrad, op, scope, type Tensor, zeros } from "../../torch/index.ts";
import { LayerNorm, Linear, Module, parameter } from "../../torch/nn/index.ts";
import { type Cut, cutHeads, filledUp, joinHeads } from "./windows.ts";

export class WindowAttention extends Module {
  readonly norm: LayerNorm;
  readonly qkv: Linear;
  readonly proj: Linear;
  /** [heads, side²]: of |rows apart|·side + |columns apart|. */
  readonly attention_biases: Tensor;
  readonly heads: number;
  readonly side: number;

  constructor(dim: number, { heads, side }: { heads: number; side: number }) {
    super();
    this.heads = heads;
    this.side = side;
    this.norm = new LayerNorm(dim);
    this.qkv = new Linear(dim, 3 * dim);
    this.proj = new Linear(dim, dim);
    this.attention_biases = parameter(zeros([heads, side * side]));
  }

  /** For inference. [B, H, W, C] → [B, H, W, C] */
  forward(x: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const { heads, side } = this;
        const [, height, width] = x.shape as [number, number, number, number];
        const cut: Cut = { heads, size: [side, side], interleaved: true };
        const { dtype } = this.qkv.weight;
        // Cells that fill up the last windows are zeros before the normalisation, whose bias then is all that is left of them.
        const fill = this.qkv.forward(this.norm.bias.to(dtype));
        const qkv = filledUp(this.qkv.forward(this.norm.forward(x).to(dtype)), side, fill);
        const parts = cutHeads(qkv, cut); // [3, n, side², d]
        const [q, k, v] = [0, 1, 2].map((i) => parts.select(0, i)) as [Tensor, Tensor, Tensor];
        const windows = q.size(0) / heads;
        const cells = side * side;
        const bias = this.distances().to(dtype).expand([windows, heads, cells, cells]).flatten(0, 1);
        const scores = ops.baddbmm(bias, q, k.transpose(1, 2), 1, q.size(-1) ** -0.5);
        return this.proj.forward(joinHeads(scores.softmax(-1).matmul(v), [height, width], cut));
      }),
    );
  }

  /** The biases of every pair of cells, [heads, side², side²]. */
  private distances(): Tensor {
    const { side } = this;
    const cells = side * side;
    const index = new BigInt64Array(cells * cells);
    for (let i = 0; i < index.length; i++) {
      const [a, b] = [Math.floor(i / cells), i % cells];
      const rows = Math.abs(Math.floor(a / side) - Math.floor(b / side));
      index[i] = BigInt(rows * side + Math.abs((a % side) - (b % side)));
    }
    const table = this.attention_biases;
    const places = fromTypedArray(index, [index.length]).to({ device: table.device });
    return table.indexSelect(1, places).reshape([this.heads, cells, cells]);
  }
}

const ops = { baddbmm: op("aten::baddbmm") };
