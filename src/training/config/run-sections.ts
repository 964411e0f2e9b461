/** Recipe sections around the method: data, network, start classifier, batches, schedule, optimiser, prediction, files. */
import { z } from "zod";
import { augmentDefaults } from "../../data/augment.ts";
import { SAMPLERS } from "../../data/sampler.ts";
import {
  atLeast,
  fraction,
  listName,
  notNegative,
  path,
  pathOr,
  perChannel,
  positive,
  ramp,
  section,
  sizeInPixels,
} from "./keys.ts";

export const optimizerName = () => z.enum(["sgd", "adamw"]);
export const batchNorm = () => z.enum(["frozen", "train"]);
export const freeze = () => z.enum(["none", "stem", "all_but_last"]);
export const clipNorm = () =>
  positive().nullable().describe("gradients are scaled down to this global L2 norm; null leaves them as they are");

export const data = section("images, tags and lists", {
  layout: z
    .enum(["voc", "coco", "folder", "toy"])
    .default("voc")
    .describe(
      "how the data lie: Pascal VOC folders (coco: with the classes of COCO), a folder of images with a tags file, or generated scenes",
    ),
  root: path()
    .nullable()
    .default(null)
    .describe("the data set's folder; null with layout toy: the folder `data` of the run"),
  lists: section("which images", {
    train: listName()
      .nullable()
      .default("train_aug")
      .describe("training list: a name in ImageSets/Segmentation or a .txt file; null: every image"),
    score: z
      .array(listName())
      .default(["train", "val"])
      .describe("lists with masks that results are measured on; the threshold is chosen on the first"),
  }),
  tags: pathOr(["auto", "annotations", "folders", "none"])
    .default("auto")
    .describe(
      "image-level labels: annotations (VOC's XML), folders (each named after its class), a file (CSV, JSON, COCO, CVAT's XML, .npy) or a folder (labelme, VOC), none, or auto: what is found under root",
    ),
  classes: pathOr(["auto", "voc", "coco", "toy"])
    .default("auto")
    .describe(
      "class table: voc, coco, toy, a file of lines `id name`, or auto: by layout, for a folder all names in its tags",
    ),
  subset: z
    .array(z.string().min(1))
    .min(1)
    .nullable()
    .default(null)
    .describe("names of the classes to use, without the background; null: all"),
  mean: perChannel(z.number())
    .nullable()
    .default(null)
    .describe("subtracted from RGB in 0 to 1; null: what the weights' metadata say, else ImageNet's"),
  std: perChannel(positive())
    .nullable()
    .default(null)
    .describe("divides RGB after the mean; null: what the weights' metadata say, else ImageNet's"),
  size: sizeInPixels().default([512, 512]).describe("height and width of training images"),
  workers: z
    .union([atLeast(1), z.literal("auto")])
    .default("auto")
    .describe("batches prepared ahead at the same time; auto: 2, with a GPU 4; results do not depend on it"),
  toy: section("the generated scenes of layout toy", {
    train: atLeast(1).max(99_999).default(400).describe("training images"),
    val: atLeast(0).max(99_999).default(100).describe("images held back for evaluation"),
    size: atLeast(32).max(1024).default(160).describe("height and width of a scene in pixels"),
    seed: atLeast(0).max(0xffff_ffff).default(0).describe("seed of the scenes, apart from the recipe's own"),
  }),
  masks: z.string().min(1).default("SegmentationClass").describe("folder of masks under root; read by evaluation only"),
});

export const model = section("the network", {
  backbone: z.string().min(1).default("resnest101").describe("mobilenet_v2, resnet18 … 101, resnest50 … 269"),
  output_stride: z
    .union([z.literal(8), z.literal(16), z.literal(32)])
    .default(16)
    .describe("pixels of the image per cell of the last features"),
  head_channels: atLeast(4).multipleOf(4).default(256).describe("width of the segmentation and representation heads"),
  decoder_stride: z
    .union([z.literal(4), z.literal(8)])
    .default(4)
    .describe("pixels of the image per cell of segmentation and representation"),
  padding: z
    .enum(["auto", "symmetric", "tf_same"])
    .default("auto")
    .describe("padding of strided convolutions; auto: what the weights' metadata say, else symmetric"),
  weights: path()
    .nullable()
    .default(null)
    .describe("file that the backbone starts from: .safetensors, .pth or .npz; null: random"),
  batch_norm: batchNorm().default("frozen").describe("whether the backbone's batch normalisation learns"),
  freeze: freeze().default("stem").describe("backbone stages that do not learn: none, the stem, or all but the last"),
});

export const pretrain = section("the start: a classifier whose activation maps CSRM begins with", {
  method: z
    .enum(["cam", "puzzle", "pnoc"])
    .default("cam")
    .describe(
      "what it learns by: its tags alone (cam), also agreement with maps of the image's tiles (puzzle: Puzzle-CAM), and then also a " +
        "second classifier from which its maps hide things (pnoc: P-NOC)",
    ),
  puzzle: section("the tiles of puzzle and pnoc", {
    tiles: atLeast(2).default(2).describe("tiles along each side of an image"),
    weight: notNegative().default(4).describe("weight of the reconstruction loss once it has risen"),
    ramp: fraction().default(0.5).describe("part of the training in which that weight rises from 0"),
  }),
  pnoc: section("the second classifier of pnoc, which has seen whole images before", {
    oc: section("where it comes from", {
      weights: path()
        .nullable()
        .default(null)
        .describe(
          "file of the second classifier, as csrm pretrain writes it; null: one is trained first, with method cam",
        ),
      epochs: atLeast(1)
        .nullable()
        .default(null)
        .describe("passes over the list to train that one; null: pretrain.epochs"),
    }),
    erasure_weight: ramp(notNegative())
      .default({ from: 0.3, to: 1 })
      .describe("weight of the loss that maps have for leaving parts of a class in sight"),
    ordinary_weight: ramp(notNegative())
      .default({ from: 0, to: 1 })
      .describe("weight of what the second classifier learns, from images with a class erased"),
    threshold: fraction()
      .default(0.2)
      .describe(
        "images that the second classifier learns from lose what in the class's map, divided by its maximum, is above this",
      ),
  }),
  probe: section("a logistic head on pooled features of the untouched backbone, before anything else", {
    epochs: atLeast(0).default(0).describe("passes over the pooled features; 0: no probe"),
    lr: positive().default(0.01).describe("learning rate of the probe"),
  }),
  epochs: atLeast(0).default(15).describe("passes over the training list"),
  batch: atLeast(1).default(32).describe("images a step"),
  optimizer: optimizerName().default("sgd").describe("optimiser"),
  lr: positive().default(0.1).describe("learning rate of the backbone at the start; it falls as schedule.decay says"),
  lr_head_multiplier: positive().default(10).describe("the classifier's learning rate ÷ the backbone's"),
  momentum: z.number().min(0).lt(1).default(0).describe("momentum of sgd"),
  weight_decay: notNegative().default(1e-4).describe("weight decay"),
  batch_norm: batchNorm()
    .nullable()
    .default(null)
    .describe("as model.batch_norm, for the start alone; null: the same. A start from random weights needs train"),
  freeze: freeze().nullable().default(null).describe("as model.freeze, for the start alone; null: the same"),
  label_smoothing: z.number().min(0).lt(1).default(0.1).describe("moves targets from 0 and 1 towards the middle"),
  clip_norm: clipNorm().default(null),
});

export const batch = section("images a step", {
  labelled: atLeast(1).default(32).describe("images, augmented, whose pseudo-labels teach the segmentation (L_s)"),
  unlabelled: atLeast(0)
    .default(32)
    .describe(
      "further images, not augmented, taught by the teacher's confident pixels (L_u); their tags are used as well",
    ),
  sampler: z
    .enum(SAMPLERS)
    .default("shuffle")
    .describe(
      "which images: each once an epoch (shuffle), or those of rare classes more often: balanced_class (at most 10 times), " +
        "balanced_sample (scikit-learn's weights, without a limit)",
    ),
});

const { jitter, blur } = augmentDefaults;

export const transforms = section("augmentation of labelled images, and of the start's; the other half is only sized", {
  crop: z
    .enum(["resize", "scale_crop"])
    .default(augmentDefaults.crop)
    .describe(
      "resize the whole image to data.size (paper) or cut it from a randomly scaled image, mirrored where that is too small (authors)",
    ),
  scale: z
    .tuple([positive(), positive()])
    .refine(([least, most]) => least <= most, "expected the smaller factor first for transforms.scale")
    .default([...augmentDefaults.scale])
    .describe("range of the random scale of scale_crop"),
  flip: fraction().default(augmentDefaults.flip).describe("how often an image is mirrored"),
  jitter: section("colour jitter, in random order", {
    probability: fraction().default(jitter.probability).describe("how often an image is changed (authors: 0.8)"),
    brightness: fraction().default(jitter.brightness).describe("brightness is multiplied by 1 ± up to this"),
    contrast: fraction().default(jitter.contrast).describe("contrast is multiplied by 1 ± up to this"),
    saturation: fraction().default(jitter.saturation).describe("saturation is multiplied by 1 ± up to this"),
    hue: fraction().max(0.5).default(jitter.hue).describe("hue is turned by up to this fraction of the colour circle"),
  }),
  blur: section("Gaussian blur", {
    probability: fraction().default(blur.probability).describe("how often an image is blurred (authors: 0.5)"),
    radius: z
      .tuple([notNegative(), notNegative()])
      .refine(([least, most]) => least <= most, "expected the smaller radius first for transforms.blur.radius")
      .default([...blur.radius])
      .describe("range of its standard deviation, in pixels of the training image"),
  }),
});

export const schedule = section("how long, and how rates move", {
  steps: atLeast(1).nullable().default(null).describe("optimiser steps in all; null: schedule.epochs says"),
  epochs: atLeast(1).default(15).describe("passes over the training list; schedule.steps, when set, wins"),
  warmup_steps: atLeast(0)
    .nullable()
    .default(null)
    .describe("steps with classification and segmentation loss only; null: one pass over the training list"),
  decay: z
    .enum(["linear", "poly", "constant"])
    .default("linear")
    .describe("fall of the learning rates; poly: power 0.9"),
  ema_warmup_steps: atLeast(0)
    .nullable()
    .default(null)
    .describe("steps in which the teacher is a copy of the student; null: as many as warmup_steps"),
});

export const optimizer = section("the optimiser of the main training", {
  name: optimizerName().default("sgd").describe("optimiser"),
  lr: positive().default(0.007).describe("learning rate of pretrained parameters"),
  lr_scratch: positive().default(0.07).describe("learning rate of new heads"),
  momentum: z.number().min(0).lt(1).default(0.9).describe("momentum of sgd"),
  nesterov: z.boolean().default(true).describe("Nesterov's momentum"),
  weight_decay: notNegative().default(1e-4).describe("weight decay; biases have none"),
  bias_lr_multiplier: positive().default(1).describe("learning rate of biases ÷ that of weights"),
  clip_norm: clipNorm().default(1),
});

export const predict = section("CAMs and label maps of the trained network", {
  scales: z.array(positive()).min(1).default([0.5, 1, 1.5, 2]).describe("factors of the image size that are summed up"),
  flip: z.boolean().default(true).describe("also sum up the mirrored image"),
  size: z
    .union([z.enum(["original", "training"]), sizeInPixels(), z.strictObject({ longest: atLeast(32) })])
    .default("original")
    .describe(
      "network input at scale 1: original, training (data.size), [height, width], or {longest: pixels}, which only shrinks; " +
        "outputs have the image's own size in any case",
    ),
  source: z
    .enum(["cam", "segmentation", "mean"])
    .default("cam")
    .describe("what label maps are made from: the CAMs, the segmentation branch, or the mean of both"),
  threshold: z
    .union([fraction(), z.literal("train")])
    .default("train")
    .describe(
      "background threshold: what a class's score must exceed, its normalised CAM, the probability of being no background, or the mean " +
        "of both; train: for each of these the best on the first of data.lists.score",
    ),
  tags: z
    .enum(["known", "predicted", "all"])
    .default("known")
    .describe("classes that may appear in an image: its tags, those that the classifier sees, or every class"),
  crf: z.boolean().default(true).describe("also write label maps refined as refine.crf says"),
  checkpoint: z
    .string()
    .regex(/^(last|step-\d+|best_by_masks)$/)
    .meta({ form: '"last", "step-N" or "best_by_masks"' })
    .default("last")
    .describe(
      "which checkpoint of the training; best_by_masks: of those that checkpoints.keep left, the one whose CAMs fit the masks of the first " +
        "of data.lists.score best, looked at when training is over (authors)",
    ),
});

export const checkpoints = section("saved states", {
  every_steps: atLeast(1).default(200).describe("steps between checkpoints"),
  keep: atLeast(0).default(1).describe("older checkpoints kept beside the last"),
});

export const log = section("metrics.jsonl", {
  every_steps: atLeast(1).default(10).describe("steps between records"),
});
