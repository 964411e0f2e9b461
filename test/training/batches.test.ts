import { expect, it } from "vitest";
import { tensor } from "../../src/torch/index.ts";
import { batchesAhead, upload } from "../../src/training/batches.ts";
import { recipeSchema } from "../../src/training/config.ts";
import { describeOnDevices } from "../helpers/devices.ts";

describeOnDevices("a batch's tensors on $device", ({ device }) => {
  it.each(["uint8", "float32"] as const)("are the CPU's, be they reused at once or not (%s)", (dtype) => {
    const source = tensor([1, 2, 3, 250], { dtype });
    const there = upload(source, device);
    expect(there.device.startsWith(device)).toBe(true);
    expect(there.dtype).toBe(dtype);
    expect(there.toArray()).toEqual([1, 2, 3, 250]);
    source.dispose();
    expect(there.toArray()).toEqual([1, 2, 3, 250]);
  });

  it("take no second memory on the CPU, and elsewhere do not follow their source", () => {
    const source = tensor([1, 2]);
    const there = upload(source, device);
    there.toArray();
    source.mul_(3);
    expect(there.toArray()).toEqual(device === "cpu" ? [3, 6] : [1, 2]);
  });
});

it("prepares as many batches ahead as the recipe says, more for a GPU where it leaves that open", () => {
  const ahead = (device: string, workers?: number) => batchesAhead(recipeSchema.parse({ device, data: { workers } }));
  expect(["cpu", "cuda:1"].map((device) => ahead(device))).toEqual([2, 4]);
  expect(["cpu", "cuda"].map((device) => ahead(device, 7))).toEqual([7, 7]);
});
