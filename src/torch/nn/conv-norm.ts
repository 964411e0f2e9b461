/** A convolution followed by batch normalisation, as one where the normalisation is a constant affine map, and by what comes after. */

import { F, hasGpuKernels, isGradEnabled, op, scope, type Tensor } from "../index.ts";
import type { Conv2d } from "./conv.ts";
import type { BatchNorm2d } from "./norm.ts";

const normAct = op("csrm::gpu_norm_act");

export interface AfterNorm {
  /** Added to the normalised map; of its shape. */
  more?: Tensor;
  /** Then rectified. */
  relu?: boolean;
}

/**
 * relu(norm(conv(x)) + more). With running statistics the scale goes into the weight and the shift into the bias: the map is then not
 * read and written again, forward or backward, and gradients reach all parameters as before. Where GPUs have kernels and the
 * normalisation does not learn, one of them does everything after the convolution: adding a bias to a channels-last map takes as long there
 * as the convolution.
 */
export function convNorm(x: Tensor, conv: Conv2d, norm: BatchNorm2d, after: AfterNorm = {}): Tensor {
  return scope(() => {
    if (!norm.usesRunningStatistics || conv.bias !== null) return follow(norm.forward(conv.forward(x)), after);
    const { weight, bias, running_mean: mean, running_var: variance, eps } = norm;
    const learns = isGradEnabled() && (weight.requiresGrad || bias.requiresGrad);
    const fits = conv.weight.size(0) % 4 === 0 && conv.weight.dtype !== "float64" && weight.dtype === "float32";
    if (fits && !learns && hasGpuKernels(x.device)) {
      return normAct(conv.forward(x), after.more ?? null, mean, variance, weight, bias, eps, after.relu ?? false);
    }
    const { scale, shift } = norm.affine();
    return follow(conv.convolve(x, conv.weight.mul(scale.reshape([-1, 1, 1, 1])), shift), after);
  });
}

/** Writes into y, which nobody else reads: neither a convolution nor a normalisation needs its output for its gradient. */
function follow(y: Tensor, { more, relu = false }: AfterNorm): Tensor {
  if (more) y.add_(more);
  return relu ? F.relu(y, { inplace: true }) : y;
}
