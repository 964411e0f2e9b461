/** The recipe section of the verification network. Defaults: DeepLabV3+ as the authors train it on Pascal VOC. */
import { z } from "zod";
import { atLeast, fraction, listName, notNegative, path, positive, section, sizeInPixels } from "./keys.ts";
import { crfKernels, crfScaled } from "./method-sections.ts";
import { batchNorm, clipNorm, freeze, optimizerName } from "./run-sections.ts";

export const verify = section("a segmentation network trained on the run's label maps (paper section 4)", {
  enabled: z.boolean().default(false).describe("whether csrm run does it; csrm verify does it in any case"),
  network: z
    .enum(["deeplabv3plus", "deeplabv2"])
    .default("deeplabv3plus")
    .describe(
      "deeplabv3plus on any backbone, or deeplabv2: ResNet-101 at stride 8, ASPP 6 to 24, trained on three scales and their maximum",
    ),
  backbone: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe("backbone of deeplabv3plus, as model.backbone; null: the same"),
  weights: path()
    .nullable()
    .default(null)
    .describe("file that the backbone starts from; null: model.weights where the backbone is the same, else random"),
  output_stride: z
    .union([z.literal(8), z.literal(16), z.literal(32)])
    .default(16)
    .describe("of deeplabv3plus: pixels of the image per cell of the last features"),
  head_channels: atLeast(4).multipleOf(4).default(256).describe("of deeplabv3plus: width of ASPP and decoder"),
  batch_norm: batchNorm()
    .default("train")
    .describe(
      "whether the backbone's batch normalisation learns; frozen where weights have it folded into the convolutions",
    ),
  freeze: freeze().default("none").describe("backbone stages that do not learn: none, the stem, or all but the last"),
  labels: z
    .enum(["refined", "predicted"])
    .default("refined")
    .describe("label maps that teach: those of refine/, which predict.crf makes, or those that they were made of"),
  list: listName().nullable().default(null).describe("training list; null: data.lists.train"),
  score: z
    .array(listName())
    .nullable()
    .default(null)
    .describe(
      "lists with masks that the network is measured on; null: data.lists.score but for its first, where it has more",
    ),
  test: listName().default("test").describe("list of images that csrm verify --submission predicts"),
  steps: atLeast(1).nullable().default(null).describe("optimiser steps in all; null: verify.epochs says"),
  epochs: atLeast(1).default(50).describe("passes over the training list; verify.steps, when set, wins"),
  batch: atLeast(1).default(32).describe("images a step"),
  size: sizeInPixels().default([512, 512]).describe("height and width of training images, cut from resized ones"),
  resize: section("random size of an image before the cut", {
    longest: z
      .tuple([atLeast(32), atLeast(32)])
      .refine(([least, most]) => least <= most, "expected the shorter side first for verify.resize.longest")
      .default([320, 640])
      .describe("range of its longer side in pixels"),
    factors: z
      .array(positive())
      .min(1)
      .nullable()
      .default(null)
      .describe("factors to choose from instead; null: verify.resize.longest says"),
  }),
  kernel: z.enum(["cubic", "linear"]).default("cubic").describe("interpolation of resized images"),
  place: z
    .enum(["random", "corner"])
    .default("random")
    .describe("where an image lies that is smaller than verify.size; beside it are the mean colour and no label"),
  flip: fraction().default(0.5).describe("how often an image is mirrored"),
  optimizer: optimizerName().default("sgd").describe("optimiser"),
  lr: positive().default(0.007).describe("learning rate of pretrained weights at the start"),
  lr_head_multiplier: positive().default(10).describe("learning rate of new weights ÷ that of pretrained ones"),
  lr_bias_multiplier: positive().default(2).describe("learning rate of biases ÷ that of weights"),
  momentum: z.number().min(0).lt(1).default(0.9).describe("momentum of sgd"),
  nesterov: z.boolean().default(true).describe("Nesterov's momentum"),
  weight_decay: notNegative().default(4e-5).describe("weight decay; biases have none"),
  clip_norm: clipNorm().default(null),
  decay: z.enum(["linear", "poly", "constant"]).default("poly").describe("fall of the learning rates; poly: power 0.9"),
  decay_every: atLeast(1).default(1).describe("steps between changes of the learning rates"),
  label_smoothing: z.number().min(0).lt(1).default(0.1).describe("moves targets from 0 and 1 towards the middle"),
  predict: section("its label maps", {
    scales: z
      .array(positive())
      .min(1)
      .default([0.5, 1, 1.5, 2])
      .describe("factors of the image size that are averaged"),
    flip: z.boolean().default(true).describe("also look at the mirrored image"),
    size: z
      .union([z.literal("original"), sizeInPixels(), z.strictObject({ longest: atLeast(32) })])
      .default("original")
      .describe("network input at scale 1: original, [height, width], or {longest: pixels}, which only shrinks"),
    crf: z.boolean().default(true).describe("also refine the probabilities with the dense CRF"),
    ...crfKernels({ gaussian_sxy: 1, gaussian_compat: 3, bilateral_sxy: 67, bilateral_srgb: 3, bilateral_compat: 4 }),
  }).refine(...crfScaled("verify.predict")),
});
