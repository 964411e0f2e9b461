/** The verification networks' loss: cross-entropy against a label map, for one or several logits (DeepLabV2's scales and their maximum). */
import { scope, type Tensor } from "../torch/index.ts";
import { type PixelCrossEntropyOptions, pixelCrossEntropy, resizeNearestCentred } from "./functional.ts";

/**
 * Each loss is a mean over the pixels with a label, 0 where there are none; a training adds them up.
 * @param logits each [B, K, h, w]
 * @param labels [B, H, W], 0..K−1 or 255
 * @param options.at "labels": logits are enlarged to the labels (bilinear, corners aligned); "logits": labels are reduced to the logits
 */
export function labelMapLosses(
  logits: readonly Tensor[],
  labels: Tensor,
  options: PixelCrossEntropyOptions & { at: "labels" | "logits" },
): Tensor[] {
  const { at, ...rest } = options;
  return logits.map((each) =>
    scope(() => {
      const seen = at === "labels" ? labels : resizeNearestCentred(labels, [each.size(2), each.size(3)]);
      return pixelCrossEntropy(each, seen, rest);
    }),
  );
}
