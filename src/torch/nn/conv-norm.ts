/** A convolution followed by batch normalisation, as one convolution where the normalisation is a constant affine map. */
import { scope, type Tensor } from "../index.ts";
import type { Conv2d } from "./conv.ts";
import type { BatchNorm2d } from "./norm.ts";

/**
 * norm(conv(x)). With running statistics the scale goes into the weight and the shift into the bias: the map is then not
 * read and written again, forward or backward, and gradients reach all parameters as before.
 */
export function convNorm(x: Tensor, conv: Conv2d, norm: BatchNorm2d): Tensor {
  if (!norm.usesRunningStatistics || conv.bias !== null) return norm.forward(conv.forward(x));
  return scope(() => {
    const { scale, shift } = norm.affine();
    return conv.convolve(x, conv.weight.mul(scale.reshape([-1, 1, 1, 1])), shift);
  });
}
