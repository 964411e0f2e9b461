/** The yardstick of every ratio: forward and backward of a torchvision-equal ResNet-50 in float32, contiguous memory. */
import { createBackbone } from "../src/models/registry.ts";
import { scope, type Tensor } from "../src/torch/index.ts";
import { finish } from "./lib/finish.ts";

/** A function that does it once on the given images [B, 3, H, W], and waits for the GPU where they are on one. */
export function resnet50Yardstick(images: Tensor): () => void {
  const model = createBackbone("resnet50", { outputStride: 32, classes: 1000 });
  model.train();
  model.to({ device: images.device });
  const input = images.contiguous("contiguous");
  return () => {
    scope(() => model.classify(model.forward(input).high).sum().backward());
    for (const parameter of model.parameters()) parameter.grad = null;
    finish(images.device);
  };
}
