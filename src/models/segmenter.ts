/** The verification networks behind one interface, and their files, which say what they hold. */
import { CsrmError, naming } from "../errors.ts";
import { inspectTensors, loadTensors, saveTensors, scope, type Tensor } from "../torch/index.ts";
import type { Layer, Module } from "../torch/nn/index.ts";
import { DeepLabV2 } from "./deeplab-v2.ts";
import { DeepLabV3Plus } from "./deeplab-v3plus.ts";
import type { Staged } from "./freeze.ts";
import { type ModelInfo, SEGMENTER_KEY } from "./model-file.ts";
import { MultiScale } from "./multi-scale.ts";
import { createBackbone } from "./registry.ts";

export const segmenterNames = ["deeplabv3plus", "deeplabv2"] as const;

/** What a verification network is, beside its numbers. Backbone, output stride and head width of a DeepLabV2 are its own. */
export interface SegmenterInfo extends Omit<ModelInfo, "kind" | "decoderStride"> {
  network: (typeof segmenterNames)[number];
  /** Whether the channels come as blue, green, red; mean and std are in the order of RGB all the same. */
  bgr: boolean;
}

/** A network that gives every pixel a class. */
export interface Segmenter {
  readonly model: Module;
  /** What freezing looks at. */
  readonly backbone: Staged;
  /** Name prefixes of the parameters that weight files fill. */
  readonly pretrained: readonly string[];
  /** What `looks` returns, by name. */
  readonly outputs: readonly string[];
  /** Whose resolution the training's losses are computed at: logits are enlarged to the labels, or labels reduced to the logits. */
  readonly lossAt: "labels" | "logits";
  /** Images [B, 3, H, W] → the logits that training compares with labels, each [B, K, h, w]. */
  looks(x: Tensor): Tensor[];
  /** Images [B, 3, H, W] → the logits that prediction uses, [B, K, h, w]. */
  predict(x: Tensor): Tensor;
}

/** Builds a network with freshly drawn weights. @throws CsrmError for a backbone, stride or width that there is not */
export function buildSegmenter(info: SegmenterInfo): Segmenter {
  const classes = info.classes.ids.length;
  if (info.network === "deeplabv2") return multiScale(new MultiScale(new DeepLabV2({ classes })));
  const backbone = createBackbone(info.backbone, { outputStride: info.outputStride, padding: info.padding });
  const model = new DeepLabV3Plus({ backbone, classes, headChannels: info.headChannels });
  return {
    model,
    backbone,
    pretrained: ["backbone."],
    outputs: ["segmentation"],
    lossAt: "labels",
    looks: (x) => [model.scores(x)],
    predict: (x) => model.forward(x),
  };
}

/** A network that is trained on smaller copies of the image and on the largest logits too. */
export function multiScale<Base extends Staged & Layer>(model: MultiScale<Base>): Segmenter {
  return {
    model,
    backbone: model.base,
    pretrained: ["base.layer"],
    outputs: ["scale_1", ...model.factors.map((factor) => `scale_${factor}`), "largest"],
    lossAt: "logits",
    looks(x) {
      const { max, scales } = model.forward(x);
      return [...scales, max];
    },
    predict: (x) => scope(() => model.forward(x).max),
  };
}

/** Puts the channels of images [B, 3, H, W] in the network's order. */
export function inOrder(x: Tensor, { bgr }: Pick<SegmenterInfo, "bgr">): Tensor {
  return bgr ? x.flip([1]).contiguous("channels_last") : x;
}

/** Writes parameters and buffers with the description; atomically. */
export function saveSegmenter(path: string, { model }: Segmenter, info: SegmenterInfo): void {
  saveTensors(path, model.stateDict(), { [SEGMENTER_KEY]: JSON.stringify(info) });
}

/** @throws CsrmError (code "weights") when the file is missing, damaged or no verification network of csrm */
export function segmenterInfo(path: string): SegmenterInfo {
  return parse(inspectTensors(path).metadata, path);
}

/** Builds the network that a file describes and loads its numbers, strictly. @throws CsrmError as segmenterInfo */
export function openSegmenter(path: string, { device = "cpu" } = {}): { segmenter: Segmenter; info: SegmenterInfo } {
  const { tensors, metadata } = loadTensors(path);
  try {
    const info = parse(metadata, path);
    return naming(path, () => {
      const segmenter = buildSegmenter(info);
      segmenter.model.loadStateDict(tensors);
      segmenter.model.to({ device, memoryFormat: "channels_last" });
      return { segmenter, info };
    });
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

function parse(metadata: Record<string, string>, path: string): SegmenterInfo {
  const text = metadata[SEGMENTER_KEY];
  if (text === undefined) {
    throw new CsrmError(
      `${path} does not say that it holds a verification network; expected RUN/verify/model.safetensors`,
      {
        code: "weights",
      },
    );
  }
  try {
    const info = JSON.parse(text) as Partial<SegmenterInfo> | null;
    const lists = [info?.classes?.ids, info?.classes?.names, info?.mean, info?.std];
    if (segmenterNames.includes(info?.network as never) && lists.every(Array.isArray)) return info as SegmenterInfo;
  } catch (error) {
    throw new CsrmError(`${path}: the description in its metadata is not JSON`, { code: "weights", cause: error });
  }
  throw new CsrmError(`${path}: the description in its metadata is not one of a verification network`, {
    code: "weights",
  });
}
