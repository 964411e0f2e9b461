/** The real CSRM network, and the start classifier, on a backbone of five convolutions, for tests that run many whole steps. */
import { Backbone } from "../../src/models/backbone.ts";
import { Classifier } from "../../src/models/classifier.ts";
import { CSRM } from "../../src/models/csrm.ts";
import { F, scope, type Tensor } from "../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, convNorm, type Layer, ReLU, Sequential, withoutInit } from "../../src/torch/nn/index.ts";

const WIDTHS = [8, 8, 12, 16, 16] as const;

function stage(index: number, stride: number): Sequential {
  const [from, to] = [WIDTHS[index - 1]!, WIDTHS[index]!];
  return new Sequential(new Conv2d(from, to, 3, { stride, padding: 1, bias: false }), new BatchNorm2d(to), new ReLU());
}

/** Stem at stride 2; stages at strides 4, 8, 16, 16. */
class TinyBackbone extends Backbone {
  readonly conv1 = new Conv2d(3, WIDTHS[0], 3, { stride: 2, padding: 1, bias: false });
  readonly bn1 = new BatchNorm2d(WIDTHS[0]);
  readonly layer1 = stage(1, 2);
  readonly layer2 = stage(2, 2);
  readonly layer3 = stage(3, 2);
  readonly layer4 = stage(4, 1);
  readonly lowChannels = WIDTHS[1];
  readonly highChannels = WIDTHS[4];
  readonly outputStride = 16;
  readonly stageNames = ["layer1", "layer2", "layer3", "layer4"];

  stemLayers(): Layer[] {
    return [this.conv1, this.bn1];
  }

  stageLayers(): Layer[][] {
    return [[this.layer1], [this.layer2], [this.layer3], [this.layer4]];
  }

  stem(x: Tensor): Tensor {
    return scope(() => F.relu(convNorm(x, this.conv1, this.bn1), { inplace: true }));
  }

  classify(): Tensor {
    throw new Error("the tiny backbone has no pretraining");
  }
}

export function tinyCsrm(classes: number, headChannels: number): CSRM {
  return withoutInit(() => new CSRM({ backbone: new TinyBackbone(), classes, headChannels }));
}

export function tinyClassifier(classes: number): Classifier {
  return withoutInit(() => new Classifier({ backbone: new TinyBackbone(), classes }));
}
