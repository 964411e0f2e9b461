/**
 * The dense CRF (Krähenbühl and Koltun 2011) on images and unaries: our own operator, equal to pydensecrf with diagonal kernels and
 * symmetric normalisation. On the CPU images and lattice work are spread over the threads of setThreads(), and results are the same
 * bits for any number of them; energies or labels on a GPU stay there.
 */
import { expected } from "../errors.ts";
import { resizeNearestCentred } from "../losses/functional.ts";
import { F, fromTypedArray, noGrad, op, scope, type Tensor } from "../torch/index.ts";
import { type CrfParams, crfPresets, scaleCrfParams } from "./crf-params.ts";
import { tensorCrf, tensorCrfLabels } from "./tensor-crf.ts";

export interface DenseCrfOptions {
  /** [B, H, W, 3], uint8, RGB. */
  images: Tensor;
  /**
   * Energies −log p, finite: [B, L, H, W], or [B, U, L, H, W] for several unaries of each image, which share the work on
   * its lattice.
   */
  unary: Tensor;
  /** How many of the L labels take part in each image's softmax, the first ones; default all. The others get Q = 0. */
  labelCounts?: readonly number[];
  /** Default crfPresets.labels. */
  params?: CrfParams;
}

/**
 * Mean-field inference.
 * @returns Q in the shape of `unary`, float32, on its device; sums to 1 over the labels
 * @throws CsrmError naming the tensor and value for wrong shapes and types, energies that are not finite, illegal parameters
 */
export function denseCrf({ images, unary, labelCounts, params = crfPresets.labels }: DenseCrfOptions): Tensor {
  if (unary.ndim !== 4 && unary.ndim !== 5) throw expected("[B, U, L, H, W] or [B, L, H, W]", "unary", unary.shape);
  return noGrad(() =>
    scope(() => {
      const { device } = unary;
      const energies = unary.detach();
      const five = unary.ndim === 5 ? energies : energies.unsqueeze(1);
      const counts = labelCounts ?? new Array<number>(five.size(0)).fill(five.size(2));
      const shown = images.to({ device });
      const q =
        device === "cpu"
          ? ops.denseCrf(shown, five, int64(counts, [counts.length]), ...inOrder(params))
          : tensorCrf(shown, five, counts, params);
      return unary.ndim === 5 ? q : q.squeeze(1);
    }),
  );
}

export interface DenseCrfLabelsOptions {
  /** [B, H, W, 3], uint8, RGB. */
  images: Tensor;
  /** Class ids, uint8: [B, H, W], or [B, U, H, W] for several labelings of each image, which share the work on its lattice. */
  labels: Tensor;
  /**
   * The class ids that take part, a list for each image; every label must be among its image's. A number n stands for 0…n−1.
   * On ties the earlier class wins.
   */
  classes: number | readonly (readonly number[])[];
  /** Probability of the given label, between 0 and 1. Default 0.7. */
  gtProb?: number;
  /** Default crfPresets.labels. */
  params?: CrfParams;
  /** Runs on images shrunk to this fraction of their sides, with kernels shrunk along; default 1. */
  scale?: number;
}

/**
 * From hard labelings straight to the refined ones: the most probable label of each pixel. The same as denseCrf on
 * unaryFromLabels, without the large tensors in between.
 * @returns class ids in the shape of `labels`, uint8, on its device
 * @throws CsrmError naming the tensor and value for wrong shapes and types, labels outside the classes, illegal parameters
 */
export function denseCrfLabels(options: DenseCrfLabelsOptions): Tensor {
  const { images, labels, classes, gtProb = 0.7, params = crfPresets.labels, scale = 1 } = options;
  if (labels.ndim !== 3 && labels.ndim !== 4) throw expected("[B, U, H, W] or [B, H, W]", "labels", labels.shape);
  const kernels = scaleCrfParams(params, scale);
  const batch = labels.size(0);
  const ids = typeof classes === "number" ? [[...Array(classes).keys()]] : classes;
  const rows = typeof classes === "number" ? Array.from({ length: batch }, () => ids[0]!) : ids;
  const longest = Math.max(1, ...rows.map((row) => row.length));
  // The operator reads a row up to the first −1.
  const padded = rows.flatMap((row) => [...row, ...new Array<number>(longest - row.length).fill(-1)]);
  return scope(() => {
    const { device } = labels;
    const four = labels.ndim === 4 ? labels : labels.unsqueeze(1);
    const given = int64(padded, [rows.length, longest]);
    const run = (pixels: Tensor, map: Tensor) =>
      device === "cpu"
        ? ops.denseCrfLabels(pixels, map, given, gtProb, ...inOrder(kernels))
        : tensorCrfLabels({ images: pixels, labels: map, classes: rows, gtProb, params: kernels });
    const shown = images.to({ device });
    let refined: Tensor;
    if (scale === 1) refined = run(shown, four);
    else {
      const [height, width] = [four.size(2), four.size(3)];
      const size = [height, width].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
      refined = resizeNearestCentred(run(shrinkImages(shown, size), resizeNearestCentred(four, size)), [height, width]);
    }
    return labels.ndim === 4 ? refined : refined.squeeze(1);
  });
}

/** Shrinks images by averaging areas. @param images [B, H, W, 3], uint8 @returns [B, h, w, 3], uint8 */
export function shrinkImages(images: Tensor, size: readonly [height: number, width: number]): Tensor {
  if (images.ndim !== 4) throw expected("[B, H, W, 3]", "images", images.shape);
  return scope(() => {
    const channelsFirst = images.permute([0, 3, 1, 2]).to("float32");
    return F.adaptiveAvgPool2d(channelsFirst, size).round().to("uint8").permute([0, 2, 3, 1]).contiguous();
  });
}

function int64(values: readonly number[], shape: readonly number[]): Tensor {
  const wrong = values.find((value) => !Number.isInteger(value));
  if (wrong !== undefined) throw expected("whole numbers", "classes and label counts", wrong);
  return fromTypedArray(BigInt64Array.from(values, BigInt), shape);
}

function inOrder(p: CrfParams): [number, number, number, number, number, number] {
  return [p.gaussianSxy, p.gaussianCompat, p.bilateralSxy, p.bilateralSrgb, p.bilateralCompat, p.iterations];
}

const ops = { denseCrf: op("csrm::dense_crf"), denseCrfLabels: op("csrm::dense_crf_labels") };
