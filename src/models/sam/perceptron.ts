/** The hidden layer between two linear ones that every transformer block has. */
import { F, scope, type Tensor } from "../../torch/index.ts";
import { Linear, Module } from "../../torch/nn/index.ts";

/** Over the last dimension: dim → hidden, GELU or ReLU, → dim. */
export class Perceptron extends Module {
  readonly lin1: Linear;
  readonly lin2: Linear;
  readonly activation: "gelu" | "relu";

  constructor(dim: number, hidden: number, activation: "gelu" | "relu") {
    super();
    this.lin1 = new Linear(dim, hidden);
    this.lin2 = new Linear(hidden, dim);
    this.activation = activation;
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const hidden = this.lin1.forward(x);
      return this.lin2.forward(this.activation === "gelu" ? F.gelu(hidden) : F.relu(hidden, { inplace: true }));
    });
  }
}
