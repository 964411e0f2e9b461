/** Runs a trained network over an image at several scales and mirrored, and keeps what label maps are made from. */
import { imageTensor } from "../data/pillow-resize.ts";
import type { RgbImage } from "../data/types.ts";
import { CsrmError, expected } from "../errors.ts";
import type { Classifier } from "../models/classifier.ts";
import { CSRM, type CSRMOutput } from "../models/csrm.ts";
import type { ModelInfo } from "../models/model-file.ts";
import { noGrad, type Precision, scope, stack, type Tensor, withPrecision } from "../torch/index.ts";
import { activation, keptCams } from "./cam.ts";
import { coveredSize, type InputSize, inputSize, KEPT_STRIDE, type Size, stridedSize } from "./resize.ts";
import { probabilities, viewLogits } from "./segmentation.ts";
import { view } from "./tta.ts";

/** What label maps are made from: the activation maps, the segmentation branch, or the mean of both. */
export type Source = "cam" | "segmentation" | "mean";

export interface PredictorOptions {
  /** Factors of the input size whose results are summed up. Default .5, 1, 1.5, 2. */
  scales?: readonly number[];
  /** Also sums up the mirror image. Default true. */
  flip?: boolean;
  /** Default "cam". */
  source?: Source;
  /** Default "original". Results have the image's own size in any case. */
  size?: InputSize;
  /** Where the network is. Default "cpu". */
  device?: string;
  /** Arithmetic of the network; the rest is float32. Default "fp32". */
  precision?: Precision;
}

/** Scores of n planes, row-major. */
export interface Planes {
  data: Float32Array;
  planes: number;
  height: number;
  width: number;
}

/** All that is kept of one image. */
export interface Prediction {
  /** Dataset ids: the background's 0, then those of the classes that may be in the image. */
  keys: number[];
  /** Classification logits of all C classes, mean over all views. */
  logits: number[];
  image: Size;
  /** The pixels that the cells of the activations stand for, image and a margin at the bottom and right. */
  covered: Size;
  /** Normalised activation maps at a quarter of the image's size, one a key but the first. */
  cams: Planes;
  /** The same before resizing and normalisation, one entry a scale, at the network's own resolution. */
  activations: Planes[];
  /**
   * Probabilities of the segmentation branch at a quarter of the image's size, one plane a key; null for source "cam".
   */
  probabilities: Planes | null;
}

export const predictorDefaults = {
  scales: [0.5, 1, 1.5, 2],
  flip: true,
  source: "cam",
  size: "original",
  device: "cpu",
  precision: "fp32",
} satisfies Required<PredictorOptions>;

export class Predictor {
  readonly info: ModelInfo;
  readonly options: Required<PredictorOptions>;
  readonly #model: Classifier;

  /**
   * @param network from openModel; put into evaluation mode here
   * @throws CsrmError for a network without segmentation branch where the source needs one
   */
  constructor(network: { model: Classifier; info: ModelInfo }, options: PredictorOptions = {}) {
    this.options = { ...predictorDefaults, ...options };
    this.info = network.info;
    this.#model = network.model.eval();
    const { scales, source } = this.options;
    if (scales.length === 0 || !scales.every((scale) => scale > 0)) {
      throw expected("at least one positive number", "the scales", scales);
    }
    if (source !== "cam" && !(network.model instanceof CSRM)) {
      throw expected(
        '"cam"',
        "the source of label maps",
        source,
        "this network is a classifier without segmentation branch",
      );
    }
  }

  /**
   * Everything about one image.
   * @param tags multi-hot over the C classes: which may be in the image. null: those that the classifier sees, see
   *   {@link seenClasses}
   * @throws CsrmError (code "weights") when the network gives NaN or infinity
   */
  predictImage(image: RgbImage, tags: Uint8Array | null): Prediction {
    const classes = this.info.classes.ids.length - 1;
    if (tags !== null && tags.length !== classes) throw expected(`${classes} tags`, "the image", `${tags.length} tags`);
    return noGrad(() => scope(() => this.#predict(image, tags)));
  }

  /** Frees the network. */
  [Symbol.dispose](): void {
    this.#model.dispose();
  }

  #predict(image: RgbImage, tags: Uint8Array | null): Prediction {
    const { source, size: wanted } = this.options;
    const size: Size = [image.height, image.width];
    const input = inputSize(size, wanted);
    const views = this.#views(image, input);
    const logits = stack(views.map((output) => output.logits.mean(0)))
      .mean(0)
      .toArray(); // [views, C] → [C]
    if (!logits.every(Number.isFinite)) throw notFinite();
    const present = tags ? indicesOf(tags) : seenClasses(logits);
    const activations = views.map((output) => activation(output.cam!, present));
    const { ids } = this.info.classes;
    const segmentations = () => views.map((output) => viewLogits(output.seg!));
    const chances = source === "cam" ? null : probabilities(segmentations(), present, stridedSize(size, KEPT_STRIDE));
    // A sum is not finite as soon as one number is not.
    if (chances && !Number.isFinite(chances.sum().item())) throw notFinite();
    return {
      keys: [0, ...present.map((index) => ids[index + 1]!)],
      logits,
      image: size,
      covered: coveredSize(size, input, this.info.outputStride),
      cams: planesOf(keptCams(activations, size)),
      activations: activations.map(planesOf),
      probabilities: chances && planesOf(chances),
    };
  }

  /** The network's outputs at every scale, float32 on the CPU: what follows is little work on small maps. */
  #views(image: RgbImage, size: Size): CSRMOutput[] {
    const { scales, flip, device, precision, source } = this.options;
    const { mean, std } = this.info;
    const pixels = imageTensor(image, device);
    const run = (scale: number) => {
      const { logits, cam, seg } = this.#forward(view(pixels, { size, scale, flip, mean, std }), source !== "cam");
      return { logits: onCpu(logits), cam: cam && onCpu(cam), seg: seg && onCpu(seg) };
    };
    return withPrecision(precision, device, () => scales.map((scale) => scope(() => run(scale))));
  }

  #forward(x: Tensor, seg: boolean): CSRMOutput {
    if (this.#model instanceof CSRM) return this.#model.forward(x, { cam: true, seg, rep: false });
    return this.#model.forward(x, { cam: true });
  }
}

/**
 * The classes that a classifier sees: those with a probability above one half, but at least the strongest, since an
 * image without any of the classes is rarer than one whose class was seen dimly.
 * @param logits of all C classes
 * @returns indices 0…C−1, ascending
 */
export function seenClasses(logits: readonly number[]): number[] {
  const seen = logits.flatMap((logit, index) => (logit > 0 ? [index] : []));
  return seen.length > 0 ? seen : [logits.indexOf(Math.max(...logits))];
}

function notFinite(): CsrmError {
  return new CsrmError("the network's output is not finite; its file is damaged or its training diverged", {
    code: "weights",
  });
}

function indicesOf(tags: Uint8Array): number[] {
  return [...tags].flatMap((tag, index) => (tag ? [index] : []));
}

function onCpu(tensor: Tensor): Tensor {
  return tensor.to({ dtype: "float32", device: "cpu" }).contiguous();
}

function planesOf(maps: Tensor): Planes {
  const [planes, height, width] = maps.shape as [number, number, number];
  return { data: maps.contiguous().toTypedArray() as Float32Array, planes, height, width };
}
