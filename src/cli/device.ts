/** --device and the recipe's `device`: checked before work begins, where libtorch would only speak of itself. */
import { InvalidArgumentError } from "commander";
import { expected } from "../errors.ts";
import { runtimeInfo } from "../torch/index.ts";

/** Reads a device's name. */
export function deviceName(text: string): string {
  if (/^(cpu|cuda(:\d+)?)$/.test(text)) return text;
  throw new InvalidArgumentError("Expected cpu, cuda or cuda:N.");
}

/**
 * @param device a name as `deviceName` takes it
 * @param cudaDevices how many GPUs libtorch can use
 * @throws CsrmError when this machine or this libtorch has no such device
 */
export function requireDevice(device: string, cudaDevices = runtimeInfo().cudaDevices): void {
  if (device === "cpu" || Number(device.split(":")[1] ?? 0) < cudaDevices) return;
  const usable = ["cpu", ...Array.from({ length: cudaDevices }, (_, i) => `cuda:${i}`)].join(", ");
  throw expected(`a device that libtorch can use (${usable})`, "device", device, "csrm doctor tells what is there");
}
