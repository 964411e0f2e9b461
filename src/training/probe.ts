/** A logistic head on pooled features of the untouched backbone: a minute's work that spares the backbone random gradients. */
import { classificationLoss } from "../losses/classification.ts";
import type { Classifier } from "../models/classifier.ts";
import { noGrad, randperm, scope, type Tensor } from "../torch/index.ts";
import { AdamW } from "../torch/optim/index.ts";
import { learningRateFactor } from "./schedules.ts";

const BATCH = 64;

export interface ProbeOptions {
  /** Passes over the features. */
  epochs: number;
  lr: number;
  onEpoch?: (done: number) => void;
}

/**
 * Trains model.classifier.weight in place, by AdamW with a linearly falling rate; nothing else of the model changes.
 * @param features [N, highChannels] float32: spatial means of the last map
 * @param tags [N, C]: 1 or 0; rows of −1 are left out
 */
export function trainProbe(model: Classifier, features: Tensor, tags: Tensor, options: ProbeOptions): void {
  const { weight } = model.classifier;
  const optimizer = new AdamW([{ parameters: new Map([["weight", weight]]), lr: options.lr, weightDecay: 0 }]);
  const images = features.shape[0]!;
  const perEpoch = Math.ceil(images / BATCH);
  const steps = perEpoch * options.epochs;
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    scope(() => {
      const order = randperm(images, { device: features.device });
      for (let i = 0; i < perEpoch; i++) {
        const step = epoch * perEpoch + i;
        scope(() => {
          const rows = order.narrow(0, i * BATCH, Math.min(BATCH, images - i * BATCH));
          const logits = features.indexSelect(0, rows).matmul(weight.flatten(1).transpose(0, 1)); // [n, F] × [F, C]
          classificationLoss(logits, tags.indexSelect(0, rows)).backward();
          optimizer.groups[0]!.lr = options.lr * learningRateFactor(step, steps, "linear");
          optimizer.step();
          optimizer.zeroGrad();
        });
      }
    });
    options.onEpoch?.(epoch + 1);
  }
  optimizer.dispose();
}

/** Spatial means of the last map, [B, highChannels] float32, without gradients and with running statistics. */
export function pooledFeatures(model: Classifier, images: Tensor): Tensor {
  const { training } = model;
  model.eval();
  try {
    return noGrad(() => scope(() => model.backbone.forward(images).high.float().mean([2, 3])));
  } finally {
    model.train(training);
  }
}
