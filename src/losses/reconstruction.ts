/** Puzzle-CAM's reconstruction loss (Jo and Yu, 2021): maps of the whole image and maps put together from its tiles should be equal. */
import { processes, scope, type Tensor } from "../torch/index.ts";
import { fullPrecision } from "./functional.ts";

/**
 * Mean of |A − A^re| over all images, classes and places, where classes that are not among an image's tags count as 0.
 * The gradient reaches both maps. Of several processes, which have equally many images, each gets its share.
 * @param whole [B, C, h, w] raw activation maps, neither rectified nor normalised
 * @param pieces the same from tiles, [B, C, h, w]
 * @param tags [B, C]: 1 or 0; a row of −1 for an image without tags, which counts as 0
 */
export function reconstructionLoss(whole: Tensor, pieces: Tensor, tags: Tensor): Tensor {
  return scope(() => {
    const difference = fullPrecision(whole).sub(fullPrecision(pieces)).abs();
    return difference.mul(tags.clamp(0).unsqueeze(2).unsqueeze(3)).mean().div(processes().size);
  });
}
