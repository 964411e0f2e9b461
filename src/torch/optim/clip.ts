/** Gradient clipping by the global norm. */
import { noGrad } from "../autograd.ts";
import { stack } from "../creation.ts";
import { op } from "../op.ts";
import { scope } from "../scope.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Scales all gradients by min(1, max / (norm + 1e-6)), where norm is the Euclidean norm of all of them together.
 * @param max `null` measures without clipping
 * @returns the norm before clipping as a tensor of one element (nothing is read back); null when nothing has a gradient
 */
export function clipGradNorm(parameters: Iterable<Tensor>, max: number | null): Tensor | null {
  return noGrad(() =>
    scope(() => {
      const gradients = [...parameters].map((p) => p.grad).filter((g) => g !== null);
      if (gradients.length === 0) return null;
      const total = stack(ops.norms(gradients, 2)).norm();
      if (max !== null) {
        const factor = ops.reciprocal(total.add(1e-6)).mul(max).clamp(null, 1);
        ops.mul_(gradients, new Array<Tensor>(gradients.length).fill(factor));
      }
      return total;
    }),
  );
}

const ops = {
  norms: op("aten::_foreach_norm.Scalar"),
  mul_: op("aten::_foreach_mul_.List"),
  reciprocal: op("aten::reciprocal"),
};
