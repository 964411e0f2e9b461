/** The frame that ResNets and ResNeSts share: conv1, bn1, max-pool, layer1 … layer4, fc, with torchvision's names. */
import { CsrmError } from "../errors.ts";
import { F, scope, type Tensor } from "../torch/index.ts";
import { BatchNorm2d, Conv2d, convNorm, kaimingNormal, type Layer, Linear, Sequential } from "../torch/nn/index.ts";
import { Backbone, type OutputStride, type StageStride, strideStages } from "./backbone.ts";

/** Builds one residual block. */
export type BlockBuilder = (block: {
  inChannels: number;
  planes: number;
  stride: number;
  dilation: number;
  /** Whether it is the first of its stage, which may need a projection in its shortcut. */
  first: boolean;
  /** 0 … 3 for layer1 … layer4. */
  stage: number;
}) => Layer;

export interface ResidualSpec {
  /** One convolution, or a Sequential that ends in one; stride 2 in all. */
  conv1: Conv2d | Sequential;
  stemChannels: number;
  /** Blocks of each stage. */
  blocks: readonly [number, number, number, number];
  /** Output channels over planes. */
  expansion: number;
  build: BlockBuilder;
  outputStride: OutputStride;
  classes: number;
}

/** Bias-free convolution with padding that keeps the size at stride 1, initialised for ReLU by fan-out. */
export function conv(
  inChannels: number,
  outChannels: number,
  kernel: number,
  options: { stride?: number; dilation?: number; groups?: number } = {},
): Conv2d {
  const padding = ((kernel - 1) / 2) * (options.dilation ?? 1);
  return new Conv2d(inChannels, outChannels, kernel, {
    ...options,
    padding,
    bias: false,
    init: kaimingNormal("fan_out"),
  });
}

export class ResidualBackbone extends Backbone {
  readonly conv1: Conv2d | Sequential;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly fc: Linear | null;
  readonly lowChannels: number;
  readonly highChannels: number;
  readonly outputStride: OutputStride;
  readonly stageNames = ["layer1", "layer2", "layer3", "layer4"];

  constructor(spec: ResidualSpec) {
    super();
    this.conv1 = spec.conv1;
    this.bn1 = new BatchNorm2d(spec.stemChannels);
    const strides: StageStride[] = [
      { stride: 1, firstDilation: 1, dilation: 1 },
      ...strideStages(3, 4, spec.outputStride),
    ];
    let inChannels = spec.stemChannels;
    const stages = strides.map((strided, stage) => {
      const planes = 64 * 2 ** stage;
      const layer = buildStage(spec, strided, { inChannels, planes, stage });
      inChannels = planes * spec.expansion;
      return layer;
    });
    this.layer1 = stages[0]!;
    this.layer2 = stages[1]!;
    this.layer3 = stages[2]!;
    this.layer4 = stages[3]!;
    this.fc = spec.classes > 0 ? new Linear(inChannels, spec.classes) : null;
    this.lowChannels = 64 * spec.expansion;
    this.highChannels = inChannels;
    this.outputStride = spec.outputStride;
  }

  stemLayers(): Layer[] {
    return [this.conv1, this.bn1];
  }

  stageLayers(): Layer[][] {
    return [[this.layer1], [this.layer2], [this.layer3], [this.layer4]];
  }

  stem(x: Tensor): Tensor {
    return scope(() => {
      let y = x;
      let last = this.conv1;
      if (last instanceof Sequential) {
        y = last.run(y, 0, last.length - 1);
        last = last.at(last.length - 1) as Conv2d;
      }
      y = convNorm(y, last, this.bn1, { relu: true }); // [B, stem, H/2, W/2]
      return F.maxPool2d(y, 3, { stride: 2, padding: 1 }); // [B, stem, H/4, W/4]
    });
  }

  classify(high: Tensor): Tensor {
    if (!this.fc) throw new CsrmError("this backbone was built without its classifier; pass `classes` to build it");
    return this.fc.forward(high.mean([2, 3])); // [B, C, h, w] → [B, classes]
  }
}

function buildStage(
  spec: ResidualSpec,
  { stride, firstDilation, dilation }: StageStride,
  { inChannels, planes, stage }: { inChannels: number; planes: number; stage: number },
): Sequential {
  const blocks = Array.from({ length: spec.blocks[stage]! }, (_, index) =>
    spec.build({
      inChannels: index === 0 ? inChannels : planes * spec.expansion,
      planes,
      stride: index === 0 ? stride : 1,
      dilation: index === 0 ? firstDilation : dilation,
      first: index === 0,
      stage,
    }),
  );
  return new Sequential(...blocks);
}
