/** Between the loader's bytes and the step's tensors. */
import type { Batch, Dataset } from "../data/types.ts";
import { type Device, fromTypedArray, op, scope, type Tensor } from "../torch/index.ts";
import type { Recipe } from "./config.ts";

const pin = op("aten::pin_memory");
const copy = op("aten::_to_copy");

export interface BatchTensors {
  /** [B, H, W, 3] uint8 RGB on the CPU. */
  pixels: Tensor;
  /** [B, C] float32 on the CPU: 1 or 0; a row of −1 for an image without tags. */
  tags: Tensor;
}

/** A function from batches of a data set to tensors; pixels share the batch's memory. */
export function batchTensors(dataset: Dataset): (batches: readonly Batch[]) => BatchTensors {
  const tagsOf = new Map(dataset.samples.map((sample) => [sample.id, sample.tags]));
  const classes = dataset.classes.ids.length - 1;
  return (batches) => {
    const ids = batches.flatMap((batch) => batch.ids);
    const { height, width } = batches[0]!;
    const tags = new Float32Array(ids.length * classes).fill(-1);
    for (const [row, id] of ids.entries()) {
      const known = tagsOf.get(id);
      if (known) tags.set(known, row * classes);
    }
    const pixels = batches.length === 1 ? batches[0]!.images : joined(batches.map((batch) => batch.images));
    return {
      pixels: fromTypedArray(pixels, [ids.length, height, width, 3]),
      tags: fromTypedArray(tags, [ids.length, classes]),
    };
  };
}

/**
 * A tensor of the CPU on a device. For a GPU it is copied to page-locked memory first, from where the transfer runs beside whatever
 * the GPU and this thread are doing; libtorch keeps that memory until it is over. On the CPU nothing is copied.
 */
export function upload(tensor: Tensor, device: Device): Tensor {
  if (!device.startsWith("cuda")) return tensor.to({ device });
  return scope(() => copy(pin(tensor), undefined, undefined, device, undefined, true));
}

/** Batches that a loader prepares ahead. A GPU's steps are short, and decoding goes on only between them, in several stages. */
export function batchesAhead({ data, device }: Pick<Recipe, "data" | "device">): number {
  if (data.workers !== "auto") return data.workers;
  return device === "cpu" ? 2 : 4;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
