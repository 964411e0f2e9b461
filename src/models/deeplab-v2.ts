/**
 * DeepLabV2 (Chen et al. 2017) on the ResNet-101 of its Caffe original: strides in the first 1×1 convolution, output stride 8, four
 * dilated classifiers summed. Input: BGR in 0..255, means subtracted.
 */
import { expected } from "../errors.ts";
import { F, noGrad, scope, type Tensor } from "../torch/index.ts";
import {
  type AfterNorm,
  BatchNorm2d,
  Conv2d,
  convNorm,
  type Initialiser,
  type Layer,
  Module,
  normalInit,
} from "../torch/nn/index.ts";
import { conv } from "./residual.ts";

/** Subtracted from the channels blue, green and red of bytes; nothing divides them. */
export const DEEPLAB_V2_MEAN_BGR = [104.008, 116.669, 122.675] as const;

/** Dilations of the four classifiers. */
const RATES = [6, 12, 18, 24];

/** Blocks, planes, stride and dilation of the stages layer2 … layer5. */
const STAGES = [
  { blocks: 3, planes: 64, stride: 1, dilation: 1 },
  { blocks: 4, planes: 128, stride: 2, dilation: 1 },
  { blocks: 23, planes: 256, stride: 1, dilation: 2 },
  { blocks: 3, planes: 512, stride: 1, dilation: 4 },
] as const;

/** Convolution and batch normalisation, and what is asked for after them. */
class ConvNorm extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, kernel: number, options: Parameters<typeof conv>[3] = {}) {
    super();
    this.conv = conv(inChannels, outChannels, kernel, options);
    this.bn = new BatchNorm2d(outChannels);
  }

  forward(x: Tensor, after: AfterNorm = {}): Tensor {
    return convNorm(x, this.conv, this.bn, after);
  }
}

/** 7×7 convolution of stride 2, then a max-pool that keeps a partly covered last window: [B, 3, H, W] → [B, 64, ~H/4, ~W/4]. */
class Stem extends Module {
  readonly conv1 = new ConvNorm(3, 64, 7, { stride: 2 });

  forward(x: Tensor): Tensor {
    return scope(() => {
      const y = this.conv1.forward(x, { relu: true });
      return F.maxPool2d(y, 3, { stride: 2, padding: 1, ceilMode: true });
    });
  }
}

/** 1×1 (with the stride), 3×3 (with the dilation), 1×1 to 4·planes, then the shortcut. */
class Block extends Module {
  readonly reduce: ConvNorm;
  readonly conv3x3: ConvNorm;
  readonly increase: ConvNorm;
  readonly shortcut: ConvNorm | null;

  constructor(inChannels: number, planes: number, { stride = 1, dilation = 1, first = false }) {
    super();
    this.reduce = new ConvNorm(inChannels, planes, 1, { stride });
    this.conv3x3 = new ConvNorm(planes, planes, 3, { dilation });
    this.increase = new ConvNorm(planes, planes * 4, 1);
    this.shortcut = first ? new ConvNorm(inChannels, planes * 4, 1, { stride }) : null;
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      const y = this.conv3x3.forward(this.reduce.forward(x, { relu: true }), { relu: true });
      return this.increase.forward(y, { more: this.shortcut?.forward(x) ?? x, relu: true });
    });
  }
}

/** Layers one after the other, with the names that the public checkpoints give them. */
class Named extends Module {
  readonly #layers: ReadonlyMap<string, Layer>;

  constructor(layers: ReadonlyMap<string, Layer>) {
    super();
    this.#layers = layers;
  }

  override namedChildren(): [string, Module][] {
    return [...this.#layers];
  }

  forward(x: Tensor): Tensor {
    return scope(() => [...this.#layers.values()].reduce((y, layer) => layer.forward(y), x));
  }
}

function stage(inChannels: number, { blocks, planes, stride, dilation }: (typeof STAGES)[number]): Named {
  return new Named(
    new Map(
      Array.from({ length: blocks }, (_, i) => [
        `block${i + 1}`,
        i === 0
          ? new Block(inChannels, planes, { stride, dilation, first: true })
          : new Block(planes * 4, planes, { dilation }),
      ]),
    ),
  );
}

/** Four dilated 3×3 classifiers c0 … c3 with biases, summed: [B, in, h, w] → [B, classes, h, w]. */
class SummedASPP extends Module {
  readonly c0: Conv2d;
  readonly c1: Conv2d;
  readonly c2: Conv2d;
  readonly c3: Conv2d;

  constructor(inChannels: number, classes: number) {
    super();
    const [c0, c1, c2, c3] = RATES.map((rate) => classifier(inChannels, classes, rate));
    this.c0 = c0!;
    this.c1 = c1!;
    this.c2 = c2!;
    this.c3 = c3!;
  }

  forward(x: Tensor): Tensor {
    return scope(() =>
      [this.c0, this.c1, this.c2, this.c3].map((each) => each.forward(x)).reduce((sum, each) => sum.add(each)),
    );
  }
}

function classifier(inChannels: number, classes: number, rate: number): Conv2d {
  const init: Initialiser = normalInit(0.01);
  const layer = new Conv2d(inChannels, classes, 3, { padding: rate, dilation: rate, init });
  noGrad(() => layer.bias!.zero_());
  return layer;
}

/** One scale: [B, 3, H, W] → logits [B, classes, ~H/8, ~W/8]; parameters layer1 … layer5 and aspp. */
export class DeepLabV2 extends Module {
  readonly layer1 = new Stem();
  readonly layer2: Named;
  readonly layer3: Named;
  readonly layer4: Named;
  readonly layer5: Named;
  readonly aspp: SummedASPP;
  readonly classes: number;

  /** @param options.classes K, the background included */
  constructor({ classes }: { classes: number }) {
    super();
    if (!Number.isInteger(classes) || classes < 2) throw expected("a whole number of at least 2", "classes", classes);
    const [second, third, fourth, fifth] = STAGES;
    this.layer2 = stage(64, second);
    this.layer3 = stage(second.planes * 4, third);
    this.layer4 = stage(third.planes * 4, fourth);
    this.layer5 = stage(fourth.planes * 4, fifth);
    this.aspp = new SummedASPP(fifth.planes * 4, classes);
    this.classes = classes;
  }

  /** What freezing calls the stem. */
  stemLayers(): Layer[] {
    return [this.layer1];
  }

  stageLayers(): Layer[][] {
    return [[this.layer2], [this.layer3], [this.layer4], [this.layer5]];
  }

  /** The maps after layer1 … layer5. */
  stages(x: Tensor): Tensor[] {
    let y = x;
    return [this.layer1, this.layer2, this.layer3, this.layer4, this.layer5].map((layer) => {
      y = layer.forward(y);
      return y;
    });
  }

  forward(x: Tensor): Tensor {
    return scope(() => this.aspp.forward(this.stages(x).at(-1)!));
  }
}
