/** Tests of what must not depend on where tensors are run on every device of the machine. */
import { describe } from "vitest";
import { type Device, runtimeInfo } from "../../src/torch/index.ts";

/** The CPU, and the GPU where there is one. */
export const devices: readonly Device[] = runtimeInfo().cudaDevices > 0 ? ["cpu", "cuda"] : ["cpu"];

export const describeOnDevices = describe.each(devices.map((device) => ({ device })));
