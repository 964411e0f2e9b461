/** Where csrm's own kernels for GPUs (native/cuda) do the work of operators. */
import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

let compiled: boolean | undefined;

/** Whether a device is a GPU for which kernels can be compiled. */
export function hasGpuKernels(device: string): boolean {
  compiled ??= native.versions().cudaKernels;
  return compiled && device.startsWith("cuda");
}

/** Whether the kernels between convolutions take this map: [B, C, H, W] on such a GPU, C a multiple of 4, float32 or bfloat16. */
export function kernelsTake(x: Tensor): boolean {
  if (!hasGpuKernels(x.device)) return false;
  return x.ndim === 4 && x.size(1) % 4 === 0 && (x.dtype === "bfloat16" || x.dtype === "float32");
}
