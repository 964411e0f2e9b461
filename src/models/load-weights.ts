/** Loads pretrained weights into backbones and networks, and reads what their files say about normalisation and padding. */
import { CsrmError, expected } from "../errors.ts";
import type { LoadOptions, Module, StateDict } from "../torch/nn/index.ts";
import { inspectTensors, loadTensors } from "../torch/serialization.ts";
import type { Backbone, BackbonePadding } from "./backbone.ts";
import { backbones, type Normalisation } from "./registry.ts";

/** What a weight file says about itself in its metadata; absent where it says nothing. */
export interface WeightsInfo {
  architecture?: string;
  /** Of the images that the weights were trained with. */
  normalisation?: Normalisation;
  padding?: BackbonePadding;
  source?: string;
  license?: string;
}

export interface LoadedWeights {
  info: WeightsInfo;
  /** Keys of the backbone that the file lacks, all of them batch counters. */
  missing: string[];
  /** Keys of the file's ImageNet classifier, for which a backbone built without one has no place. */
  leftOver: string[];
}

/** Older files have no batch counters; nothing depends on them while the momentum is fixed. */
const COUNTERS = /(^|\.)num_batches_tracked$/;
const CLASSIFIER = new RegExp(`^(${classifierPrefixes().join("|")})(\\d+\\.)?(weight|bias)$`);
/** What a CSRM network has beyond a start classifier. */
const HEADS = /^(aspp|project|decoder|representation)\./;

/**
 * Copies a safetensors file with torchvision's or ResNeSt's names into a backbone. Every key must match; only batch
 * counters may be absent, and the ImageNet classifier may be left over.
 * @throws CsrmError (code "weights") naming the file and the keys
 */
export function loadBackboneWeights(backbone: Backbone, path: string): LoadedWeights {
  const info = readWeightsInfo(path);
  const { missing, unexpected } = loadFile(backbone, path, {
    allowMissing: [COUNTERS],
    allowUnexpected: [CLASSIFIER],
  });
  return { info, missing, leftOver: unexpected };
}

/**
 * Copies a start classifier's file (backbone.*, classifier.weight) into a network that has at least these parts; the
 * segmentation heads keep their own values.
 * @throws CsrmError (code "weights") naming the file and the keys
 */
export function loadStartClassifier(model: Module, path: string): void {
  loadFile(model, path, { allowMissing: [COUNTERS, HEADS] });
}

/**
 * Reads the metadata keys architecture, input_mean, input_std ("0.5,0.5,0.5"), padding, source and license of a
 * safetensors file, without its tensors.
 * @throws CsrmError for a value that cannot be understood
 */
export function readWeightsInfo(path: string): WeightsInfo {
  const { architecture, padding, source, license, input_mean: mean, input_std: std } = inspectTensors(path).metadata;
  if (padding !== undefined && padding !== "symmetric" && padding !== "tf_same") {
    throw expected('"symmetric" or "tf_same"', `padding in the metadata of ${path}`, padding);
  }
  if ((mean === undefined) !== (std === undefined)) {
    throw expected("both or none of input_mean and input_std", `the metadata of ${path}`, { mean, std });
  }
  const normalisation =
    mean !== undefined && std !== undefined
      ? { mean: triple(mean, `input_mean in the metadata of ${path}`), std: triple(std, `input_std in ${path}`) }
      : undefined;
  return { architecture, normalisation, padding, source, license };
}

function triple(text: string, name: string): [number, number, number] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) throw expected("three numbers", name, text);
  return [numbers[0]!, numbers[1]!, numbers[2]!];
}

function loadFile(model: Module, path: string, options: LoadOptions): { missing: string[]; unexpected: string[] } {
  const tensors: StateDict = loadTensors(path).tensors;
  try {
    return model.loadStateDict(tensors, options);
  } catch (error) {
    if (!(error instanceof CsrmError)) throw error;
    throw new CsrmError(`${path}: ${error.message}`, { code: error.code, cause: error });
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

function classifierPrefixes(): string[] {
  return [...new Set(backbones.map((each) => each.classifierPrefix.replace(".", "\\.")))];
}
