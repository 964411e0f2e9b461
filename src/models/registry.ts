/** The backbones by name, with what recipes and loaders need to know about each. */

import { suggestion } from "../did-you-mean.ts";
import { CsrmError, expected } from "../errors.ts";
import type { Backbone, BackboneOptions, BackbonePadding, OutputStride } from "./backbone.ts";
import { backboneDefaults } from "./backbone.ts";
import { MobileNetV2 } from "./mobilenet.ts";
import { resnest } from "./resnest.ts";
import { resnet } from "./resnet.ts";

/** Normalisation of RGB in 0–1, per channel. */
export interface Normalisation {
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
}

export interface BackboneInfo extends Normalisation {
  name: string;
  lowChannels: number;
  highChannels: number;
  outputStrides: readonly OutputStride[];
  paddings: readonly BackbonePadding[];
  /** State-dict prefix of the pretraining's classifier in weight files. */
  classifierPrefix: string;
  build(options: BackboneOptions): Backbone;
}

/** The usual ImageNet statistics; weight files with others say so in their metadata. */
export const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } satisfies Normalisation;

const residualInfo = {
  ...imagenet,
  lowChannels: 256,
  highChannels: 2048,
  outputStrides: [8, 16, 32],
  paddings: ["symmetric"],
  classifierPrefix: "fc.",
} satisfies Omit<BackboneInfo, "name" | "build">;

const basicInfo = { ...residualInfo, lowChannels: 64, highChannels: 512 };
const resnestInfo = { ...residualInfo, outputStrides: [8, 16] satisfies OutputStride[] };

export const backbones: readonly BackboneInfo[] = [
  {
    ...imagenet,
    name: "mobilenet_v2",
    lowChannels: 24,
    highChannels: 1280,
    outputStrides: [8, 16, 32],
    paddings: ["symmetric", "tf_same"],
    classifierPrefix: "classifier.",
    build: (options) => new MobileNetV2(options),
  },
  { ...basicInfo, name: "resnet18", build: (options) => resnet("basic", [2, 2, 2, 2], options) },
  { ...basicInfo, name: "resnet34", build: (options) => resnet("basic", [3, 4, 6, 3], options) },
  { ...residualInfo, name: "resnet50", build: (options) => resnet("bottleneck", [3, 4, 6, 3], options) },
  { ...residualInfo, name: "resnet101", build: (options) => resnet("bottleneck", [3, 4, 23, 3], options) },
  { ...resnestInfo, name: "resnest50", build: (options) => resnest([3, 4, 6, 3], 32, options) },
  { ...resnestInfo, name: "resnest101", build: (options) => resnest([3, 4, 23, 3], 64, options) },
  { ...resnestInfo, name: "resnest200", build: (options) => resnest([3, 24, 36, 3], 64, options) },
  { ...resnestInfo, name: "resnest269", build: (options) => resnest([3, 30, 48, 8], 64, options) },
];

/** What is known of a backbone; an unknown name is an error that lists the names. */
export function backboneInfo(name: string): BackboneInfo {
  const info = backbones.find((candidate) => candidate.name === name);
  if (info) return info;
  const names = backbones.map((candidate) => candidate.name);
  throw new CsrmError(`no backbone is called "${name}"${suggestion(name, names)}; there are ${names.join(", ")}`, {
    code: "config",
  });
}

/**
 * Builds a backbone with freshly drawn weights.
 * @throws CsrmError for an unknown name, or an output stride or padding that this backbone does not have
 */
export function createBackbone(name: string, options: BackboneOptions = {}): Backbone {
  const info = backboneInfo(name);
  const { outputStride, padding } = { ...backboneDefaults, ...options };
  if (!info.outputStrides.includes(outputStride)) {
    throw expected(`one of ${info.outputStrides.join(", ")}`, `the output stride of ${name}`, outputStride);
  }
  if (!info.paddings.includes(padding)) {
    throw expected(info.paddings.map((each) => `"${each}"`).join(" or "), `the padding of ${name}`, padding);
  }
  return info.build(options);
}
