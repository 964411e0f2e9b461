/** The state of libtorch's generators (dropout, contrastive draws, initialisation) for checkpoints. */
import { rngState, setRngState, type Tensor } from "../torch/index.ts";

/** By device: the CPU's generator and, when training is elsewhere, that device's. */
export function randomState(device: string): Map<string, Tensor> {
  const devices = device === "cpu" ? ["cpu"] : ["cpu", device];
  return new Map(devices.map((name) => [name, rngState(name)]));
}

export function restoreRandomState(state: ReadonlyMap<string, Tensor>): void {
  for (const [device, tensor] of state) setRngState(tensor, device);
}
