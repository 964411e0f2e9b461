/**
 * Loads weights of any readable format and layout into backbones and networks, and reads what their files say about normalisation
 * and padding.
 */
import { CsrmError, expected, naming } from "../errors.ts";
import type { StoredTensor } from "../formats/stored-tensor.ts";
import { openTensorFile } from "../formats/tensor-file.ts";
import { loadTensor } from "../torch/index.ts";
import { compareKeys, type LoadOptions, type LoadReport, type Module, type StateDict } from "../torch/nn/index.ts";
import type { Backbone, BackbonePadding } from "./backbone.ts";
import { allowances, HEADS, type Purpose, tensorsFor } from "./fit-weights.ts";
import { backboneOf } from "./key-layouts.ts";
import { parseModelInfo } from "./model-file.ts";
import type { Normalisation } from "./registry.ts";
import { type Remapped, remap } from "./remap.ts";

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
  /** Keys of the file for which a backbone has no place: an ImageNet classifier, or the other parts of a whole network. */
  leftOver: string[];
}

/**
 * Copies the backbone of a file into one: of torchvision's or ResNeSt's names, of Puzzle-CAM, P-NOC or CSRM. Every key must
 * match; only batch counters may be absent, and other parts of the file's network are left over.
 * @throws CsrmError (code "weights") naming the file and the keys
 */
export function loadBackboneWeights(backbone: Backbone, path: string): LoadedWeights {
  const info = readWeightsInfo(path);
  const { missing, unexpected } = loadFile(backbone, path, { purpose: "backbone" });
  return { info, missing, leftOver: unexpected };
}

/**
 * Copies a start classifier's file (ours, or one of Puzzle-CAM or P-NOC) into a network that has at least these parts; the
 * segmentation heads keep their own values.
 * @throws CsrmError (code "weights") naming the file and the keys, also when it is a network with segmentation heads
 */
export function loadStartClassifier(model: Module, path: string): void {
  loadFile(model, path, {
    purpose: "classifier",
    allowMissing: [HEADS],
    check({ layout }) {
      if (layout !== "csrm" && layout !== "deeplabv3+") return;
      const fix = "csrm weights convert --for classifier takes its classifier out";
      throw expected("a start classifier", path, `a network with segmentation heads`, fix);
    },
  });
}

/**
 * Reads the metadata keys architecture, input_mean, input_std ("0.5,0.5,0.5"), padding, source and license of a
 * safetensors file, or the description of a network of ours, without its tensors. Other formats say nothing.
 * @throws CsrmError for a value that cannot be understood
 */
export function readWeightsInfo(path: string): WeightsInfo {
  using file = openTensorFile(path);
  return weightsInfoOf(file.metadata, path);
}

/** The same from metadata that have been read already. */
export function weightsInfoOf(metadata: Record<string, string>, path: string): WeightsInfo {
  const { architecture, padding, source, license, input_mean: mean, input_std: std } = metadata;
  const network = parseModelInfo(metadata, path);
  if (network) {
    const { backbone, padding, mean, std } = network;
    return { architecture: backbone, normalisation: { mean, std }, padding, source, license };
  }
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

/** Something that a file's metadata say. */
export interface Statement {
  what: string;
  value: string;
  /** The key of a recipe that can say it instead; null: none needed or none there. */
  recipe: string | null;
}

/** What is lost of metadata in a format without any, such as PyTorch's. Not the architecture: the tensors' names tell it. */
export function statementsOf(metadata: Record<string, string>, path: string): Statement[] {
  const { normalisation, padding } = weightsInfoOf(metadata, path);
  const network = parseModelInfo(metadata, path);
  const say = (what: string, value: string | number, recipe: string | null): Statement => {
    return { what, value: String(value), recipe };
  };
  const known = ["architecture", "input_mean", "input_std", "padding", "csrm_model"];
  return [
    ...(normalisation
      ? [say("mean", normalisation.mean.join(), "data.mean"), say("std", normalisation.std.join(), "data.std")]
      : []),
    ...(padding ? [say("padding", padding, "model.padding")] : []),
    ...(network
      ? [
          say("output stride", network.outputStride, "model.output_stride"),
          ...(network.kind === "csrm" ? [say("decoder stride", network.decoderStride, "model.decoder_stride")] : []),
          say("classes", network.classes.names.join(), "data.classes"),
        ]
      : []),
    ...Object.entries(metadata).flatMap(([key, text]) => (known.includes(key) ? [] : [say(key, text, null)])),
  ];
}

function triple(text: string, name: string): [number, number, number] {
  const numbers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (numbers.length !== 3 || !numbers.every(Number.isFinite)) throw expected("three numbers", name, text);
  return [numbers[0]!, numbers[1]!, numbers[2]!];
}

/** @throws CsrmError that names both backbones where they are known and differ, since a list of keys tells little then */
function compareWith(
  model: Module,
  stored: Map<string, StoredTensor>,
  { options, path, theirs }: { options: LoadOptions; path: string; theirs: string | undefined },
): LoadReport {
  const own = model.stateDict();
  try {
    return compareKeys(own, stored, options);
  } catch (error) {
    const names = [...own.keys()].map((key) => key.replace(/^(?!backbone\.)/, "backbone."));
    const wanted = backboneOf(names);
    if (wanted === undefined || theirs === undefined || wanted === theirs) throw error;
    throw otherBackbone(path, { wanted, theirs });
  }
}

/** That a file has another backbone than the network. */
export function otherBackbone(path: string, { wanted, theirs }: { wanted: string; theirs: string }): CsrmError {
  const fix = `name weights of ${wanted}, or ${theirs} as the recipe's backbone`;
  return new CsrmError(`expected weights of ${wanted} in ${path}, got those of ${theirs}; ${fix}`, { code: "weights" });
}

interface FileOptions {
  purpose: Purpose;
  /** Beside what the purpose allows. */
  allowMissing?: readonly RegExp[];
  check?(remapped: Remapped): void;
}

function loadFile(model: Module, path: string, { purpose, allowMissing = [], check }: FileOptions): LoadReport {
  using file = openTensorFile(path);
  const allowed: LoadOptions = allowances[purpose];
  const options = { ...allowed, allowMissing: [...(allowed.allowMissing ?? []), ...allowMissing] };
  const tensors: StateDict = new Map();
  try {
    return naming(path, () => {
      const remapped = remap(file);
      check?.(remapped);
      const stored = tensorsFor(purpose, remapped);
      // Before the numbers are read: a file of another network is refused at once.
      const report = compareWith(model, stored, { options, path, theirs: remapped.backbone });
      for (const key of report.unexpected) stored.delete(key);
      for (const [key, tensor] of stored) tensors.set(key, loadTensor(tensor));
      model.loadStateDict(tensors, options);
      return report;
    });
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}
