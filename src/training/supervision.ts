/** The teacher's part of a step: pseudo-labels from its CAMs, ClassMix, its segmentation as labels, and its noisy look at the mixed images. */

import { fullPrecision, resizeNearest, VOID } from "../losses/functional.ts";
import type { TeacherLabels } from "../losses/teacher-labels.ts";
import type { CSRMForwardOptions, CSRMOutput } from "../models/csrm.ts";
import { full, noGrad, scope, type Tensor, tensor, withPrecision } from "../torch/index.ts";
import { chooseMix, drawPartners, type Mix, mixPixels, mixTags, type Partners } from "./classmix.ts";
import { pseudoLabels } from "./pseudo-labels.ts";
import type { StepInput, StepNetwork } from "./step-input.ts";
import type { StepTerms } from "./step-terms.ts";
import { mixedTeacherLabels, upsampledEntropy } from "./teacher-views.ts";

export interface Supervision {
  /** [B, 3, H, W] after mixing. */
  images: Tensor;
  /** [B, C] after mixing. */
  tags: Tensor;
  /** [L, H, W] pseudo-labels of the labelled half, after mixing. */
  labels: Tensor;
  /** The teacher's segmentation of the plain images, mixed along and limited to the tags; where a loss reads it. */
  taught?: TeacherLabels;
  /** Its second look, where a loss reads it. */
  noisy?: SecondLook;
  /** How many images were pasted onto. */
  mixed: number;
}

/** What the teacher makes of the mixed images. */
export interface SecondLook {
  /** [B, K, h, w] at the decoder's stride. */
  probabilities: Tensor;
  /** [U, H, W] of the unlabelled half. */
  entropies?: Tensor;
  /** [B, D, h, w] */
  rep?: Tensor;
}

/** Nothing here is recorded for backward. Leaves the teacher in training mode if it looked twice. */
export function supervise(input: StepInput, { weights }: StepTerms): Supervision {
  return noGrad(() =>
    scope(() => {
      const { teacher, labelled, recipe, rng, precision } = input;
      const [batch, , height, width] = input.images.shape as [number, number, number, number];
      const noisy = weights.unsupervised + weights.contrast > 0;
      const teaches = noisy || weights.s2c > 0;

      teacher.train(false);
      const once = noisy && !recipe.ema.second_look;
      const rep = weights.contrast > 0;
      const plain = look(teacher, input.images, { cam: true, seg: teaches, rep: once && rep }, precision);

      const partners = drawPartners(batch, recipe.classmix, rng);
      const plainLabels = labelsWhereNeeded(plain.cam!, partners, input);
      const mix = chooseMix(plainLabels, partners, input.tags.shape[1]! + 1, rng);
      const images = mixPixels(input.images, mix);
      const tags = mixTags(input.tags, mix);
      const labels = mixPixels(plainLabels, mix).narrow(0, 0, labelled);
      const mixed = { images, tags, labels, mixed: mix?.images ?? 0 };
      if (!teaches) return mixed;

      const taught = mixedTeacherLabels(plain.seg!, tags, mix, [height, width], recipe.ema.absent_classes);
      if (!noisy) return { ...mixed, taught };

      teacher.train(true);
      const { seg, rep: seen } = once
        ? mixedAlong(plain, mix)
        : look(teacher, images, { cam: false, seg: true, rep }, precision);
      const rest = seg!.narrow(0, labelled, batch - labelled);
      const entropies = weights.unsupervised > 0 ? upsampledEntropy(rest, [height, width]) : undefined;
      return { ...mixed, taught, noisy: { probabilities: seg!.softmax(1), entropies, rep: seen } };
    }),
  );
}

/** A look at the plain images as one at the mixed ones: each pixel of the decoder's maps from the image that it was pasted from. */
function mixedAlong({ seg, rep }: CSRMOutput, mix: Mix | null): Pick<CSRMOutput, "seg" | "rep"> {
  if (!mix) return { seg, rep };
  const mask = resizeNearest(mix.mask, seg!.shape.slice(2) as [number, number]);
  const strided = { ...mix, mask };
  return { seg: mixPixels(seg!, strided), rep: rep && mixPixels(rep, strided) };
}

/**
 * Runs a network, under autocast if asked to. What the losses read whole is widened to float32; representations stay as they are,
 * since only drawn pixels of them are used.
 */
export function look(
  network: StepNetwork,
  images: Tensor,
  outputs: CSRMForwardOptions,
  precision: StepInput["precision"],
): CSRMOutput {
  return scope(() => {
    const forward = () => network.forward(images, outputs);
    const { logits, cam, seg, rep } = withPrecision(precision, images.device, forward);
    return { logits: fullPrecision(logits), cam: cam && fullPrecision(cam), seg: seg && fullPrecision(seg), rep };
  });
}

/** Pseudo-labels of the labelled half and of images that give to others; void for the rest, whose labels nobody reads. */
function labelsWhereNeeded(cams: Tensor, partners: Partners, { tags, pixels, labelled, recipe }: StepInput): Tensor {
  const [batch, height, width] = pixels.shape as [number, number, number, number];
  const options = recipe.pseudo_labels;
  const needed = Array.from({ length: batch }, (_, b) => b).filter((b) => b < labelled || partners.includes(b));
  if (needed.length === batch) return pseudoLabels({ cams, tags, pixels, options });
  const labels = full([batch, height, width], VOID, { dtype: "uint8", device: cams.device });
  if (needed.length === 0) return labels;
  const there = tensor(BigInt64Array.from(needed, BigInt), { device: cams.device });
  const pick = (x: Tensor) => x.indexSelect(0, there.to({ device: x.device }));
  return labels.indexCopy_(
    0,
    there,
    pseudoLabels({ cams: pick(cams), tags: pick(tags), pixels: pick(pixels), options }),
  );
}
