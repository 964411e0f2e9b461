/** Gradient mode, gradients of given tensors, and a numeric check of any differentiable function. */
import { CsrmError, expected } from "../errors.ts";
import { native } from "./native.ts";
import { scope, synchronous } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/** Runs `body` without recording for backward. */
export function noGrad<T>(body: () => T): T {
  const before = native.gradMode(false);
  try {
    return synchronous(body(), "noGrad()", "call it between the awaits");
  } finally {
    native.gradMode(before);
  }
}

export function isGradEnabled(): boolean {
  return native.gradMode();
}

export interface GradOptions {
  /** Upstream gradients, one for each output; none for single numbers. */
  gradients?: readonly Tensor[];
  retainGraph?: boolean;
  /** Records the gradients' own computation, for second derivatives. */
  createGraph?: boolean;
}

/** d(sum of outputs)/d(inputs), without touching anybody's grad; null where an input does not matter. */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  { gradients, retainGraph = false, createGraph = false }: GradOptions = {},
): (Tensor | null)[] {
  const upstream = outputs.map((_, i) => gradients?.[i]?.handle ?? 0);
  return native
    .gradients(
      outputs.map((t) => t.handle),
      inputs.map((t) => t.handle),
      upstream,
      retainGraph || createGraph,
      createGraph,
    )
    .map((handle) => (handle === 0 ? null : Tensor.wrap(handle)));
}

/** Backward from several outputs at once. */
export function backward(
  outputs: readonly Tensor[],
  { gradients, retainGraph = false, createGraph = false }: GradOptions = {},
): void {
  native.backward(
    outputs.map((t) => t.handle),
    outputs.map((_, i) => gradients?.[i]?.handle ?? 0),
    retainGraph || createGraph,
    createGraph,
  );
}

/**
 * Compares gradients with central differences; inputs must be float64 (float32 has too few digits for differences).
 * @param body from the inputs to one tensor of any shape; must not draw random numbers
 * @throws CsrmError naming the input, the element and both values of the worst mismatch
 */
export function gradcheck(
  body: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { eps = 1e-6, absolute = 1e-5, relative = 1e-3 }: { eps?: number; absolute?: number; relative?: number } = {},
): void {
  for (const [i, input] of inputs.entries()) {
    if (input.dtype !== "float64") throw expected("float64", `gradcheck input ${i}`, input.dtype);
  }
  scope(() => {
    const leaves = inputs.map((input) => input.detach().clone("contiguous").requiresGrad_());
    const analytic = grad([body(...leaves).sum()], leaves).map(
      (g, i) => g?.toArray() ?? new Array(leaves[i]!.numel).fill(0),
    );
    const value = () =>
      noGrad(() =>
        scope(() =>
          body(...leaves)
            .sum()
            .item(),
        ),
      );
    for (const [i, leaf] of leaves.entries()) {
      const data = leaf.detach().shareTypedArray() as Float64Array;
      for (let k = 0; k < data.length; k++) {
        const original = data[k]!;
        data[k] = original + eps;
        const above = value();
        data[k] = original - eps;
        const below = value();
        data[k] = original;
        const numeric = (above - below) / (2 * eps);
        const got = analytic[i]![k]!;
        if (!(Math.abs(numeric - got) <= absolute + relative * Math.abs(numeric))) {
          throw new CsrmError(`gradient of input ${i}, element ${k}: expected ${numeric} by differences, got ${got}`, {
            code: "gradcheck",
          });
        }
      }
    }
  });
}
