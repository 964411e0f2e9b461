/** Activations. */
import { F, type Tensor } from "../index.ts";
import { Module } from "./module.ts";

/** max(x, 0). Overwrites its input: it always follows a convolution or normalisation whose output nobody else reads. */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return F.relu(x, { inplace: true });
  }
}

/** min(max(x, 0), 6). */
export class ReLU6 extends Module {
  forward(x: Tensor): Tensor {
    return F.relu6(x);
  }
}

/** x·Φ(x) with the exact normal distribution (Hendrycks and Gimpel 2016). */
export class GELU extends Module {
  forward(x: Tensor): Tensor {
    return F.gelu(x);
  }
}

/** x itself, to keep an index in a Sequential. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}
