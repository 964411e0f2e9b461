/** Tests of what must not depend on where tensors are run on every device of the machine. */
import { describe } from "vitest";
import { requireDevice } from "../../src/cli/device.ts";
import { type Device, runtimeInfo } from "../../src/torch/index.ts";

/**
 * The CPU, and the GPU where there is one. CSRM_TEST_DEVICES, a list with commas, names those that there must be, so that a run meant
 * for a GPU cannot pass without one. @throws CsrmError naming the one that is not there
 */
export function devicesOf(named: string | undefined): readonly Device[] {
  if (!named) return runtimeInfo().cudaDevices > 0 ? ["cpu", "cuda"] : ["cpu"];
  const devices = named.split(",");
  for (const device of devices) requireDevice(device);
  return devices;
}

export const devices = devicesOf(process.env.CSRM_TEST_DEVICES);

export const describeOnDevices = describe.each(devices.map((device) => ({ device })));
