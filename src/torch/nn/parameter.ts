/** Marks tensors as the parameters and buffers of a module, so that a module finds its own state among its properties. */
import { keep, type Tensor } from "../index.ts";

const kinds = new WeakMap<Tensor, "parameter" | "buffer">();

/** Marks a tensor as a trainable parameter: it requires a gradient and outlives the scope it was made in. Returns it. */
export function parameter(tensor: Tensor): Tensor {
  kinds.set(keep(tensor), "parameter");
  return tensor.requiresGrad_(true);
}

/** Marks a tensor as state that is saved but not trained (running statistics). It outlives its scope. Returns it. */
export function buffer(tensor: Tensor): Tensor {
  kinds.set(keep(tensor), "buffer");
  return tensor;
}

/** What a property of a module is: "parameter", "buffer", or null for everything else. */
export function kindOf(value: unknown): "parameter" | "buffer" | null {
  return typeof value === "object" && value !== null ? (kinds.get(value as Tensor) ?? null) : null;
}
