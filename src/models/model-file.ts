/** Whole networks as safetensors files that say what they are: everything needed to build the network stands in the metadata. */
import { CsrmError, expected } from "../errors.ts";
import { inspectTensors, loadTensors, saveTensors, type Tensor } from "../torch/index.ts";
import type { BackbonePadding, OutputStride } from "./backbone.ts";
import { Classifier } from "./classifier.ts";
import { CSRM } from "./csrm.ts";
import { createBackbone, type Normalisation } from "./registry.ts";

/** What a network is, beside its numbers. */
export interface ModelInfo extends Normalisation {
  /** A classifier has logits and activation maps only; csrm adds segmentation and representation. */
  kind: "classifier" | "csrm";
  backbone: string;
  outputStride: OutputStride;
  padding: BackbonePadding;
  headChannels: number;
  decoderStride: 4 | 8;
  /** Network class k is ids[k], called names[k]; k = 0 is the background. */
  classes: { ids: number[]; names: string[] };
}

const METADATA_KEY = "csrm_model";
/** Says in a file that it holds a verification network; see src/models/segmenter.ts. */
export const SEGMENTER_KEY = "csrm_segmenter";

/** Builds the network with freshly drawn weights. */
export function buildModel(info: ModelInfo & { kind: "csrm" }): CSRM;
export function buildModel(info: ModelInfo): Classifier;
export function buildModel(info: ModelInfo): Classifier {
  const backbone = createBackbone(info.backbone, { outputStride: info.outputStride, padding: info.padding });
  const classes = info.classes.ids.length - 1;
  if (info.kind === "classifier") return new Classifier({ backbone, classes });
  return new CSRM({ backbone, classes, headChannels: info.headChannels, decoderStride: info.decoderStride });
}

/** Writes parameters and buffers with the description; atomically. */
export function saveModel(path: string, model: { stateDict(): Map<string, Tensor> }, info: ModelInfo): void {
  saveTensors(path, model.stateDict(), modelMetadata(info));
}

/** What a network's file says about itself. */
export function modelMetadata(info: ModelInfo): Record<string, string> {
  return { [METADATA_KEY]: JSON.stringify(info) };
}

/** The description of a file that saveModel wrote. @throws CsrmError (code "weights") for any other file */
export function modelInfo(path: string): ModelInfo {
  return requireInfo(inspectTensors(path).metadata, path);
}

/** The same, or null for a file of tensors that says nothing about its network, e.g. one of another program. */
export function modelInfoIfAny(path: string): ModelInfo | null {
  return parseModelInfo(inspectTensors(path).metadata, path);
}

/**
 * Builds the network that a file describes and loads its numbers, strictly.
 * @throws CsrmError when the file is missing, damaged, or not a network of ours
 */
export function openModel(path: string, { device = "cpu" } = {}): { model: Classifier; info: ModelInfo } {
  const { tensors, metadata } = loadTensors(path);
  try {
    const info = requireInfo(metadata, path);
    const model = buildModel(info);
    try {
      model.loadStateDict(tensors);
    } catch (error) {
      if (error instanceof CsrmError)
        throw new CsrmError(`${path}: ${error.message}`, { code: "weights", cause: error });
      throw error;
    }
    return { model: model.to({ device, memoryFormat: "channels_last" }), info };
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

/** Checks that two networks fit together: same backbone, strides, input range and classes. @throws CsrmError naming what differs */
export function assertCompatible(got: ModelInfo, want: ModelInfo, path: string): void {
  for (const key of ["backbone", "outputStride", "padding"] as const) {
    if (got[key] !== want[key]) throw expected(`${key} ${want[key]}`, path, got[key], "it holds another architecture");
  }
  for (const key of ["mean", "std"] as const) {
    if (got[key].join() !== want[key].join()) {
      throw expected(
        `data.${key} ${want[key].join(", ")}`,
        path,
        got[key],
        "it was trained on images normalised otherwise",
      );
    }
  }
  if (got.classes.names.join() !== want.classes.names.join() || got.classes.ids.join() !== want.classes.ids.join()) {
    throw expected(`the classes ${want.classes.names.join(", ")}`, path, got.classes.names.join(", "));
  }
}

function requireInfo(metadata: Record<string, string>, path: string): ModelInfo {
  const info = parseModelInfo(metadata, path);
  if (info) return info;
  if (SEGMENTER_KEY in metadata) {
    throw new CsrmError(`${path} holds a verification network, which has no activation maps; csrm verify uses it`, {
      code: "weights",
    });
  }
  throw new CsrmError(
    `${path} holds tensors but does not say which network they are; expected a model.safetensors that csrm wrote ` +
      "(csrm weights convert --classes makes one of another program's network)",
    { code: "weights" },
  );
}

/** The description in a file's metadata, or null where there is none. @throws CsrmError when it cannot be understood */
export function parseModelInfo(metadata: Record<string, string>, path: string): ModelInfo | null {
  const text = metadata[METADATA_KEY];
  if (text === undefined) return null;
  let info: unknown;
  try {
    info = JSON.parse(text);
  } catch (error) {
    throw new CsrmError(`${path}: the description in its metadata is not JSON`, { code: "weights", cause: error });
  }
  if (isModelInfo(info)) return info;
  throw new CsrmError(`${path}: the description in its metadata is not one of a network`, { code: "weights" });
}

function isModelInfo(value: unknown): value is ModelInfo {
  const { kind, backbone, classes, mean, std } = (value ?? {}) as Partial<ModelInfo>;
  const lists = [classes?.ids, classes?.names, mean, std];
  return (kind === "classifier" || kind === "csrm") && typeof backbone === "string" && lists.every(Array.isArray);
}
