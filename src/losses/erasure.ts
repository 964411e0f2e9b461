/**
 * P-NOC (David, Pedrini and Dias, 2024), after OC-CSE (Kweon et al., 2021): a class is erased from the image where its activation map
 * is high, softly to teach the map, with a threshold to teach the classifier that looks at what is left.
 */
import { F, processes, scope, type Tensor } from "../torch/index.ts";
import { classificationLoss } from "./classification.ts";
import { fullPrecision } from "./functional.ts";

const EPSILON = 1e-5;

export interface Erasure {
  /** [B, 3, H, W], normalised: what is erased becomes the mean colour. */
  images: Tensor;
  /** [B, C, h, w], raw. */
  cam: Tensor;
  /** [B, C]: 1 for the class to erase; a row of zeros erases nothing. */
  chosen: Tensor;
}

/**
 * image · (1 − m), m the chosen class's map, upsampled, rectified and divided by its largest value in the whole batch of all processes.
 * Differentiable in the map, through the maximum as well.
 * @returns [B, 3, H, W]
 */
export function eraseSoftly({ images, cam, chosen }: Erasure): Tensor {
  return scope(() => {
    const mask = enlarge(chosenMap(cam, chosen), images).relu();
    return images.mul(mask.div(processes().max(mask).add(EPSILON)).neg().add(1));
  });
}

/**
 * image · [m ≤ threshold], m the chosen class's map, rectified, upsampled and divided by its largest value in the image.
 * @returns [B, 3, H, W], without a gradient
 */
export function eraseHard({ images, cam, chosen }: Erasure, threshold: number): Tensor {
  return scope(() => {
    const mask = enlarge(chosenMap(cam.detach(), chosen).relu(), images);
    const share = mask.div(mask.amax([1, 2, 3], true).add(EPSILON));
    return images.mul(share.le(threshold).to(images.dtype));
  });
}

/**
 * What the classifier should see in an image after the soft erasure: its tags without the chosen class. Low when the map covered all of it.
 * @param logits [B, C] @param tags [B, C]: 1 or 0, rows of −1 are left out
 */
export function erasureLoss(
  logits: Tensor,
  { tags, chosen, smoothing }: { tags: Tensor; chosen: Tensor; smoothing: number },
): Tensor {
  return scope(() => classificationLoss(logits, tags.sub(chosen), { smoothing }));
}

/** [B, C, h, w] → [B, 1, h, w], zeros where no class is chosen. */
function chosenMap(cam: Tensor, chosen: Tensor): Tensor {
  const map = fullPrecision(cam);
  return map.mul(chosen.to(map.dtype).unsqueeze(2).unsqueeze(3)).sum(1, true);
}

function enlarge(map: Tensor, images: Tensor): Tensor {
  const [height, width] = images.shape.slice(2) as [number, number];
  return F.interpolate(map, { size: [height, width], mode: "bilinear", alignCorners: false });
}
