/** Parameters of the dense CRF: the sets in use, their scaling with the resolution, and the keys that recipes give them. */
import { expected } from "../errors.ts";

/** Kernel widths, Potts weights and the number of mean-field updates. A weight of 0 leaves a kernel out. */
export interface CrfParams {
  /** Smoothness kernel: spatial width in pixels, and weight. */
  gaussianSxy: number;
  gaussianCompat: number;
  /** Appearance kernel: spatial width in pixels, colour width in grey levels (0–255), and weight. */
  bilateralSxy: number;
  bilateralSrgb: number;
  bilateralCompat: number;
  iterations: number;
}

/** What the operator takes; beyond it float32 has no sensible numbers. */
export const crfLimits = {
  /** Of widths, in pixels or grey levels. */
  width: { least: 1e-6, most: 1e9, text: "1e-6..1e9" },
  weight: { least: 0, most: 1e6, text: "0..1e6" },
} as const;

/** @throws CsrmError naming the parameter that the operator would refuse */
export function assertCrfParams(params: CrfParams): void {
  const { gaussianSxy, bilateralSxy, bilateralSrgb, gaussianCompat, bilateralCompat, iterations } = params;
  const { width, weight } = crfLimits;
  const assertIn = ({ least, most, text }: typeof width | typeof weight, values: Record<string, number>) => {
    for (const [name, value] of Object.entries(values)) {
      if (!(value >= least && value <= most)) throw expected(`a number in ${text}`, name, value);
    }
  };
  assertIn(width, { gaussianSxy, bilateralSxy, bilateralSrgb });
  assertIn(weight, { gaussianCompat, bilateralCompat });
  if (!(Number.isSafeInteger(iterations) && iterations >= 0)) {
    throw expected("iterations of at least 0", "the CRF", iterations);
  }
}

/**
 * `labels`: hard labelings from activation maps (P-NOC, CSRM); `dlv2`: softmax outputs of DeepLab networks (deeplab-pytorch).
 */
export const crfPresets = {
  labels: {
    gaussianSxy: 3,
    gaussianCompat: 3,
    bilateralSxy: 50,
    bilateralSrgb: 5,
    bilateralCompat: 10,
    iterations: 10,
  },
  dlv2: {
    gaussianSxy: 1,
    gaussianCompat: 3,
    bilateralSxy: 67,
    bilateralSrgb: 3,
    bilateralCompat: 4,
    iterations: 10,
  },
} satisfies Record<string, CrfParams>;

/** The keys by which recipes and command lines know the parameters. */
export interface CrfKeys {
  gaussian_sxy: number;
  gaussian_compat: number;
  bilateral_sxy: number;
  bilateral_srgb: number;
  bilateral_compat: number;
  iterations: number;
}

/** The parameters in a recipe's section, which may hold other keys too. */
export function crfParamsOf(keys: CrfKeys): CrfParams {
  return {
    gaussianSxy: keys.gaussian_sxy,
    gaussianCompat: keys.gaussian_compat,
    bilateralSxy: keys.bilateral_sxy,
    bilateralSrgb: keys.bilateral_srgb,
    bilateralCompat: keys.bilateral_compat,
    iterations: keys.iterations,
  };
}

/** The parameters for an image shrunk to `scale` of its sides: distances in pixels shrink along, colours and weights stay. */
export function scaleCrfParams(params: CrfParams, scale: number): CrfParams {
  if (!(scale > 0 && scale <= 1)) throw expected("a fraction above 0 and at most 1", "the CRF's scale", scale);
  return { ...params, gaussianSxy: params.gaussianSxy * scale, bilateralSxy: params.bilateralSxy * scale };
}
