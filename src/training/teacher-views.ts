/** What the teacher's segmentation says at full resolution, a few images at a time: [B, K, H, W] is never held for a whole batch. */

import { entropy } from "../losses/entropy.ts";
import { resizeBilinear } from "../losses/functional.ts";
import { type AbsentClasses, type TeacherLabels, teacherLabels } from "../losses/teacher-labels.ts";
import { cat, noGrad, scope, type Tensor, where } from "../torch/index.ts";
import type { Mix } from "./classmix.ts";

/** Numbers of one full-resolution block of logits; 128 MiB in float32. */
const BLOCK = 2 ** 25;

/**
 * The teacher's labels for the mixed images, from its logits for the plain ones: pasted pixels take the giving image's logits, and
 * what an image may show is decided by its tags after mixing.
 * @param logits [B, K, h, w] @param tags [B, K − 1] after mixing @param size [H, W]
 */
export function mixedTeacherLabels(
  logits: Tensor,
  tags: Tensor,
  mix: Mix | null,
  size: readonly [number, number],
  absent: AbsentClasses = "drop",
): TeacherLabels {
  const parts = inBlocks(logits, size, (start, length) => {
    const own = resizeBilinear(logits.narrow(0, start, length), size);
    if (!mix) return teacherLabels(own, tags.narrow(0, start, length), absent);
    const given = resizeBilinear(logits.indexSelect(0, mix.source.narrow(0, start, length)), size);
    const mask = mix.mask.narrow(0, start, length).unsqueeze(1);
    return teacherLabels(where(mask, given, own), tags.narrow(0, start, length), absent);
  });
  return scope(() => ({
    labels: cat(parts.map((part) => part.labels)),
    confidence: cat(parts.map((part) => part.confidence)),
  }));
}

/** Entropy of the upsampled prediction. @param logits [B, K, h, w] @returns [B, H, W] */
export function upsampledEntropy(logits: Tensor, size: readonly [number, number]): Tensor {
  if (logits.shape[0] === 0) return logits.select(1, 0);
  const parts = inBlocks(logits, size, (start, length) =>
    entropy(resizeBilinear(logits.narrow(0, start, length), size).softmax(1)),
  );
  return cat(parts);
}

/** Calls `work` for runs of images whose upsampled logits fit a block; nothing but its results outlives a run. */
function inBlocks<T>(logits: Tensor, size: readonly [number, number], work: (start: number, length: number) => T): T[] {
  const [images, classes] = logits.shape as [number, number];
  const run = Math.max(1, Math.floor(BLOCK / (classes * size[0] * size[1])));
  const results: T[] = [];
  for (let start = 0; start < images; start += run) {
    results.push(noGrad(() => scope(() => work(start, Math.min(run, images - start)))));
  }
  return results;
}
