/** ClassMix (Olsson et al., 2021) as CSRM uses it: pastes whole pseudo-labelled classes of one image onto another. */

import type { Rng } from "../data/rng.ts";
import { VOID } from "../losses/functional.ts";
import { noGrad, op, scope, type Tensor, tensor, where } from "../torch/index.ts";

const bincount = op("aten::bincount");

export interface ClassMixOptions {
  /** Chance of mixing, 0..1. */
  probability: number;
  /** Whether the chance is taken for every image by itself (the paper) or once for the whole batch (the authors' code). */
  scope: "image" | "batch";
}

/** Who gives to whom: entry a is the image that image a receives from, or null where a stays as it is. */
export type Partners = (number | null)[];

/** What is pasted where. */
export interface Mix {
  /** [B] int64: the giving image; an image that receives nothing points at itself. */
  source: Tensor;
  /** [B, H, W] bool: pixels that come from the giving image. */
  mask: Tensor;
  /** [B, K − 1] float: 1 for every class pasted onto the image. */
  pasted: Tensor;
  /** Images that received something. */
  images: number;
}

/**
 * Draws who receives from whom, each giving image uniformly from the others. Known before any pseudo-label is, so that only the
 * images that give need labels.
 */
export function drawPartners(images: number, { probability, scope: unit }: ClassMixOptions, rng: Rng): Partners {
  const all = unit === "batch" ? rng.next() < probability : null;
  return Array.from({ length: images }, (_, a) => {
    if (!(all ?? rng.next() < probability) || images < 2) return null;
    const other = rng.int(images - 1);
    return other < a ? other : other + 1;
  });
}

/**
 * Chooses what each giving image pastes: max(⌊m/2⌋, 1) at random of the m foreground classes of its labels.
 * Reads back one small table of which image shows which class.
 * @param labels [B, H, W] uint8 pseudo-labels before mixing, 0..K−1 or 255
 * @param classes K
 * @returns null when nothing is pasted anywhere
 */
export function chooseMix(labels: Tensor, partners: Partners, classes: number, rng: Rng): Mix | null {
  if (partners.every((partner) => partner === null)) return null;
  const images = labels.shape[0]!;
  const shown = classesShown(labels, classes);
  const source = new BigInt64Array(images);
  const selected = new Uint8Array(images * (VOID + 1));
  const pasted = new Float32Array(images * (classes - 1));
  let receiving = 0;
  for (const [a, partner] of partners.entries()) {
    const from = partner === null ? [] : shown[partner]!;
    source[a] = BigInt(from.length > 0 ? partner! : a);
    if (from.length === 0) continue;
    receiving++;
    for (const c of rng.shuffle([...from]).slice(0, Math.max(Math.floor(from.length / 2), 1))) {
      selected[a * (VOID + 1) + c] = 1;
      pasted[a * (classes - 1) + c - 1] = 1;
    }
  }
  if (receiving === 0) return null;
  const { device } = labels;
  return noGrad(() =>
    scope(() => {
      const givers = tensor(source, { device });
      const chosen = tensor(selected, { shape: [images, VOID + 1], device }).to("bool");
      const theirs = labels.indexSelect(0, givers).flatten(1).to("int64");
      return {
        source: givers,
        mask: chosen.gather(1, theirs).reshape(labels.shape),
        pasted: tensor(pasted, { shape: [images, classes - 1], device }),
        images: receiving,
      };
    }),
  );
}

/** Pixels from the giving images where the mask says so. @param x [B, H, W] or [B, c, H, W]; the result is new unless nothing is mixed */
export function mixPixels(x: Tensor, mix: Mix | null): Tensor {
  if (!mix) return x;
  return scope(() => where(x.ndim === 4 ? mix.mask.unsqueeze(1) : mix.mask, x.indexSelect(0, mix.source), x));
}

/** Tags of the mixed images: the pasted classes join, covered ones stay; images without tags stay without. @param tags [B, K − 1] */
export function mixTags(tags: Tensor, mix: Mix | null): Tensor {
  if (!mix) return tags;
  return scope(() => where(tags.lt(0), tags, tags.maximum(mix.pasted.to(tags.dtype))));
}

/** The foreground classes in each image's labels, ascending. */
function classesShown(labels: Tensor, classes: number): number[][] {
  const images = labels.shape[0]!;
  const counts = scope(() => {
    const row = tensor(
      BigInt64Array.from({ length: images }, (_, b) => BigInt(b * (VOID + 1))),
      { device: labels.device },
    );
    const numbered = labels.to("int64").add(row.reshape([images, 1, 1]));
    return (bincount(numbered.flatten(), null, images * (VOID + 1)) as Tensor).toArray();
  });
  return Array.from({ length: images }, (_, b) => {
    const shown: number[] = [];
    for (let c = 1; c < classes; c++) if (counts[b * (VOID + 1) + c]! > 0) shown.push(c);
    return shown;
  });
}
