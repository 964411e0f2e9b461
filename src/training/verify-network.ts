/** From a recipe to a verification network ready to train: described, built, weights loaded, frozen as asked. */
import type { ClassTable } from "../data/types.ts";
import { CsrmError } from "../errors.ts";
import { DEEPLAB_V2_MEAN_BGR } from "../models/deeplab-v2.ts";
import { isCaffe, loadDeepLabV2Weights } from "../models/deeplab-v2-weights.ts";
import type { DeepLabV3Plus } from "../models/deeplab-v3plus.ts";
import { loadBackboneWeights } from "../models/load-weights.ts";
import { buildSegmenter, type Segmenter, type SegmenterInfo } from "../models/segmenter.ts";
import { scope } from "../torch/index.ts";
import { BatchNorm2d } from "../torch/nn/index.ts";
import type { Recipe } from "./config.ts";
import { describeModel, freezeAs } from "./network.ts";

/** What is fixed of a DeepLabV2. */
const DEEPLAB_V2 = { backbone: "resnet101", outputStride: 8, headChannels: 0 } as const;

/** What the recipe's verification network is. @throws CsrmError naming a weight file that cannot be read or an unknown backbone */
export function describeSegmenter(recipe: Recipe, classes: ClassTable): SegmenterInfo {
  const { verify, model } = recipe;
  const backbone = backboneOf(recipe);
  const weights = startWeights(recipe);
  const own = verify.weights !== null || backbone !== model.backbone;
  const {
    kind: _,
    decoderStride: __,
    ...info
  } = describeModel(
    {
      ...recipe,
      model: {
        ...model,
        backbone,
        weights,
        output_stride: verify.output_stride,
        head_channels: verify.head_channels,
        // A padding that the recipe names belongs to the weights that it names beside it.
        padding: own ? "auto" : model.padding,
      },
    },
    "csrm",
    classes,
  );
  const described: SegmenterInfo = { network: verify.network, bgr: false, ...info };
  if (verify.network === "deeplabv3plus") return described;
  const caffe = weights !== null && isCaffe(weights) ? caffeInput() : {};
  return { ...described, ...DEEPLAB_V2, padding: "symmetric", ...caffe };
}

/** Bytes in blue, green, red, minus their means: (x / 255 − mean) / std of 0..255. */
function caffeInput(): Pick<SegmenterInfo, "mean" | "std" | "bgr"> {
  const [blue, green, red] = DEEPLAB_V2_MEAN_BGR;
  return { mean: [red / 255, green / 255, blue / 255], std: [1 / 255, 1 / 255, 1 / 255], bgr: true };
}

function backboneOf({ verify, model }: Recipe): string {
  if (verify.network === "deeplabv2") return DEEPLAB_V2.backbone;
  return verify.backbone ?? model.backbone;
}

/** The file that the backbone starts from; null: random weights. */
export function startWeights(recipe: Recipe): string | null {
  const { verify, model } = recipe;
  return verify.weights ?? (backboneOf(recipe) === model.backbone ? model.weights : null);
}

/**
 * Builds the network, fills its backbone where the recipe names weights, freezes what it says, on its device.
 * @throws CsrmError naming a weight file that does not fit, or whose batch normalisation must stay frozen
 */
export function newSegmenter(recipe: Recipe, info: SegmenterInfo): Segmenter {
  const { verify, device } = recipe;
  const segmenter = buildSegmenter(info);
  const weights = startWeights(recipe);
  if (weights !== null) {
    if (info.network === "deeplabv2") loadDeepLabV2Weights(segmenter.backbone, weights);
    else loadBackboneWeights((segmenter.model as DeepLabV3Plus).backbone, weights);
    if (verify.batch_norm === "train" && isFolded(segmenter)) {
      throw new CsrmError(
        `expected verify.batch_norm: frozen with ${weights}, got train; its batch normalisation is folded into the convolutions, ` +
          "so the running statistics are not those of any batch",
        { code: "config" },
      );
    }
  }
  freezeAs(segmenter, verify);
  segmenter.model.to({ device, memoryFormat: "channels_last" });
  segmenter.model.train();
  return segmenter;
}

/** Whether every batch normalisation only adds its bias, as in MobileNetV2 weights whose scales went into the convolutions. */
function isFolded({ backbone }: Segmenter): boolean {
  const layers = [...backbone.namedModules().values()].filter((each) => each instanceof BatchNorm2d);
  return scope(() =>
    layers.every(
      ({ weight, running_mean }) => weight.eq(1).all().item() === 1 && running_mean.eq(0).all().item() === 1,
    ),
  );
}
