/** One finished label map refined by the dense CRF on its photograph. */
import type { RgbImage } from "../data/types.ts";
import { expected } from "../errors.ts";
import type { LabelMap } from "../formats/indexed-png.ts";
import { F, fromTypedArray, noGrad, scope, type Tensor, where } from "../torch/index.ts";
import { type CrfKeys, crfParamsOf, scaleCrfParams } from "./crf-params.ts";
import { denseCrf, denseCrfLabels, shrinkImages } from "./dense-crf.ts";
import { unaryFromLabels } from "./unaries.ts";

/** The keys of a recipe's section refine.crf. */
export interface CrfSettings extends CrfKeys {
  /** Certainty given to each pixel's label. */
  gt_prob: number;
  /** Fraction of the resolution at which the CRF runs. */
  crf_scale: number;
}

/** No label: every label that the map holds is as likely there. */
export const UNKNOWN = 255;

/**
 * The most probable label of every pixel among those that the map holds. Unknown pixels (255) get labels too, unless
 * the map holds none at all.
 * @param labels ids 0…254 or 255, in the image's size
 * @throws CsrmError when the sizes differ
 */
export function refineLabels(image: RgbImage, labels: LabelMap, settings: CrfSettings): LabelMap {
  const { width, height } = labels;
  if (image.width !== width || image.height !== height) {
    throw expected(`${image.width}×${image.height}, the image's size,`, "a label map", `${width}×${height}`);
  }
  const ids = [...new Set(labels.data)].filter((id) => id !== UNKNOWN).sort((a, b) => a - b);
  // A label without a rival wins everywhere: the other of the at least two labels of the public code is nowhere given.
  if (ids.length < 2) return { width, height, data: labels.data.slice().fill(ids[0] ?? UNKNOWN) };
  const refine = labels.data.includes(UNKNOWN) ? refineKnown : refineAll;
  const data = scope(() =>
    refine(fromTypedArray(image.data, [1, height, width, 3]), fromTypedArray(labels.data, [1, height, width]), {
      ids,
      settings,
    }).toTypedArray(),
  );
  return { width, height, data: data as Uint8Array };
}

interface Problem {
  /** The ids in the map, ascending, without 255. */
  ids: readonly number[];
  settings: CrfSettings;
}

function refineAll(images: Tensor, labels: Tensor, { ids, settings }: Problem): Tensor {
  const { gt_prob: gtProb, crf_scale: scale } = settings;
  return denseCrfLabels({ images, labels, classes: [ids], gtProb, params: crfParamsOf(settings), scale });
}

/** As {@link refineAll}, with the same energy for every label where the map is unknown. */
function refineKnown(images: Tensor, labels: Tensor, { ids, settings }: Problem): Tensor {
  const [, height, width] = labels.shape as [number, number, number];
  const { gt_prob: gtProb, crf_scale: scale } = settings;
  const index = new Uint8Array(256);
  for (const [k, id] of ids.entries()) index[id] = k;
  return noGrad(() => {
    const indices = fromTypedArray(index, [256]).indexSelect(0, labels.flatten().to("int64")).reshape(labels.shape);
    const energies = unaryFromLabels(indices, { labelCount: ids.length, gtProb }); // [1, n, H, W]
    const unary = where(labels.eq(UNKNOWN).unsqueeze(1), Math.log(ids.length), energies);
    const size = [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))] as const;
    const resized = (maps: Tensor, to: readonly [number, number]) =>
      scale === 1 ? maps : F.interpolate(maps, { size: to, mode: "bilinear", alignCorners: false });
    const q = denseCrf({
      images: scale === 1 ? images : shrinkImages(images, size),
      unary: resized(unary, size),
      params: scaleCrfParams(crfParamsOf(settings), scale),
    });
    const best = resized(q, [height, width]).argmax(1); // [1, n, H, W] → [1, H, W]
    return fromTypedArray(Uint8Array.from(ids), [ids.length]).indexSelect(0, best.flatten());
  });
}
