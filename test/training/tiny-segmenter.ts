/** Verification networks of two convolutions, as test/golden/make-verify.py has them, so that tests of a whole step take milliseconds. */
import { MultiScale } from "../../src/models/multi-scale.ts";
import { multiScale, type Segmenter } from "../../src/models/segmenter.ts";
import { F, type Tensor } from "../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, Module } from "../../src/torch/nn/index.ts";

/** Convolution of stride 4 and batch normalisation. */
class Stage extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(width: number) {
    super();
    this.conv = new Conv2d(3, width, 3, { stride: 4, padding: 1, bias: false });
    this.bn = new BatchNorm2d(width);
  }

  forward(x: Tensor): Tensor {
    return this.bn.forward(this.conv.forward(x)).relu();
  }
}

/** Named as DeepLabV2's one scale or as DeepLabV3+. */
class Tiny extends Module {
  readonly #names: readonly [string, string];
  readonly stage: Stage;
  readonly head: Conv2d;

  constructor(names: readonly [string, string], { width, classes }: { width: number; classes: number }) {
    super();
    this.#names = names;
    this.stage = new Stage(width);
    this.head = new Conv2d(width, classes, 3, { padding: 1 });
  }

  override namedChildren(): [string, Module][] {
    return [
      [this.#names[0], this.stage],
      [this.#names[1], this.head],
    ];
  }

  stemLayers() {
    return [];
  }

  stageLayers() {
    return [];
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.stage.forward(x));
  }
}

export function tinySegmenter(
  network: "deeplabv2" | "deeplabv3plus",
  sizes: { width: number; classes: number },
): { segmenter: Segmenter; runningMean: Tensor } {
  const tiny = new Tiny(network === "deeplabv2" ? ["layer", "aspp"] : ["backbone", "decoder"], sizes);
  const runningMean = tiny.stage.bn.running_mean;
  if (network === "deeplabv2") return { segmenter: multiScale(new MultiScale(tiny)), runningMean };
  const predict = (x: Tensor) =>
    F.interpolate(tiny.forward(x), { size: [x.size(2), x.size(3)], mode: "bilinear", alignCorners: true });
  const looks = (x: Tensor) => [tiny.forward(x)];
  const rest = { pretrained: ["backbone."], outputs: ["segmentation"], lossAt: "labels" } as const;
  return { segmenter: { model: tiny, backbone: tiny, looks, predict, ...rest }, runningMean };
}
