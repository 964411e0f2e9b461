/** The dense CRF's parameters as options of a command. */
import { type Command, Option } from "commander";
import { crfLimits, crfPresets } from "../refine/crf-params.ts";
import type { CrfSettings } from "../refine/refine-labels.ts";
import { numberIn } from "./arguments.ts";
import { wholeNumber } from "./recipe-options.ts";

export interface CrfOptions {
  gaussianSxy: number;
  gaussianCompat: number;
  bilateralSxy: number;
  bilateralSrgb: number;
  bilateralCompat: number;
  gtProb: number;
  iterations: number;
  crfScale: number;
}

const preset = crfPresets.labels;

const crfDefaults = {
  gaussianSxy: preset.gaussianSxy,
  gaussianCompat: preset.gaussianCompat,
  bilateralSxy: preset.bilateralSxy,
  bilateralSrgb: preset.bilateralSrgb,
  bilateralCompat: preset.bilateralCompat,
  gtProb: 0.7,
  iterations: preset.iterations,
  crfScale: 1,
} satisfies CrfOptions;

const width = numberIn(crfLimits.width);
const weight = numberIn(crfLimits.weight);

/** Adds every parameter. */
export function withCrfOptions(command: Command): Command {
  const option = (flags: string, description: string, key: keyof CrfOptions, parse: (text: string) => number) =>
    command.addOption(new Option(flags, description).default(crfDefaults[key]).argParser(parse));
  option("--gaussian-sxy <pixels>", "smoothness kernel: width", "gaussianSxy", width);
  option("--gaussian-compat <weight>", "smoothness kernel: weight", "gaussianCompat", weight);
  option("--bilateral-sxy <pixels>", "appearance kernel: width", "bilateralSxy", width);
  option("--bilateral-srgb <levels>", "appearance kernel: width in colours of 0 to 255", "bilateralSrgb", width);
  option("--bilateral-compat <weight>", "appearance kernel: weight", "bilateralCompat", weight);
  const certainty = numberIn({ least: 0, most: 1, open: true });
  option("--gt-prob <p>", "certainty given to each pixel's label", "gtProb", certainty);
  option("--iterations <n>", "mean-field iterations", "iterations", wholeNumber(1));
  return withCrfScale(command);
}

/** Adds --crf-scale alone. */
export function withCrfScale(command: Command): Command {
  const description = "fraction of the resolution at which the CRF runs; widths shrink along, time by its square";
  const fraction = (text: string) => numberIn({ least: 0.01, most: 1 })(text);
  return command.addOption(
    new Option("--crf-scale <fraction>", description).default(crfDefaults.crfScale).argParser(fraction),
  );
}

/** The options under the names that the refinement has for them; what is not given has its default. */
export function crfSettings(given: Partial<CrfOptions>): CrfSettings {
  const options = { ...crfDefaults, ...given };
  return {
    gt_prob: options.gtProb,
    crf_scale: options.crfScale,
    iterations: options.iterations,
    gaussian_sxy: options.gaussianSxy,
    gaussian_compat: options.gaussianCompat,
    bilateral_sxy: options.bilateralSxy,
    bilateral_srgb: options.bilateralSrgb,
    bilateral_compat: options.bilateralCompat,
  };
}
