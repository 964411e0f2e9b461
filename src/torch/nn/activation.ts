/** Activations. They work in place, as they always follow a convolution or a normalisation whose output nobody else reads. */
import { F, type Tensor } from "../index.ts";
import { Module } from "./module.ts";

/** max(x, 0). Overwrites its input. */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return F.relu(x, { inplace: true });
  }
}

/** min(max(x, 0), 6). Overwrites its input. */
export class ReLU6 extends Module {
  forward(x: Tensor): Tensor {
    return F.relu6(x, { inplace: true });
  }
}

/** x itself, to keep an index in a Sequential. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}
