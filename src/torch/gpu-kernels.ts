/** Where csrm's own kernels for GPUs (native/cuda) do the work of operators. */
import { native } from "./native.ts";
import type { Tensor } from "./tensor.ts";

const reasons = new Map<string, string>();

/** Why a device has no kernels, so that operators do their work more slowly; null where it has. Compiles a first one to see. */
export function whyNoGpuKernels(device: string): string | null {
  if (!device.startsWith("cuda")) return `${device} is no GPU`;
  let reason = reasons.get(device);
  if (reason === undefined) {
    reason = native.noGpuKernels(Number(device.split(":")[1] ?? 0));
    reasons.set(device, reason);
  }
  return reason || null;
}

export function hasGpuKernels(device: string): boolean {
  return device.startsWith("cuda") && whyNoGpuKernels(device) === null;
}

/** Whether the kernels between convolutions take this map: [B, C, H, W] on such a GPU, C a multiple of 4, not float64. */
export function kernelsTake(x: Tensor): boolean {
  return hasGpuKernels(x.device) && x.ndim === 4 && x.size(1) % 4 === 0 && x.dtype !== "float64";
}
