/** Recipe sections of the method itself: pseudo-labels, mixing, the five losses, the teacher. Defaults follow the paper where it speaks. */
import { z } from "zod";
import { type CrfKeys, crfLimits } from "../../refine/crf-params.ts";
import { atLeast, fraction, notNegative, positive, ramp, section } from "./keys.ts";

type CrfDefaults = Record<`${"gaussian" | "bilateral"}_${"sxy" | "compat"}` | "bilateral_srgb", number>;

const crfWidth = () => z.number().min(crfLimits.width.least).max(crfLimits.width.most);
const crfWeight = () => z.number().min(crfLimits.weight.least).max(crfLimits.weight.most);

/** For sections with crfKernels: the CRF's limits also hold for what its resolution leaves of the spatial widths. */
export function crfScaled(section: string): [(keys: CrfKeys & { crf_scale: number }) => boolean, object] {
  const { least } = crfLimits.width;
  return [
    ({ crf_scale, gaussian_sxy, bilateral_sxy }) => {
      const width = Math.min(gaussian_sxy, bilateral_sxy);
      // A width that is wrong by itself is told of by its own key.
      return width < least || width * crf_scale >= least;
    },
    {
      path: ["crf_scale"],
      message: `expected a ${section}.crf_scale that leaves ${section}.gaussian_sxy and bilateral_sxy at ${least} or more`,
    },
  ];
}

/** How the dense CRF works. */
export const crfKernels = (defaults: CrfDefaults) => ({
  crf_scale: positive()
    .max(1)
    .default(1)
    .describe("fraction of the resolution at which the CRF runs; the spatial widths shrink along"),
  iterations: atLeast(1).default(10).describe("mean-field iterations"),
  gaussian_sxy: crfWidth().default(defaults.gaussian_sxy).describe("spatial width of the smoothness kernel, in pixels"),
  gaussian_compat: crfWeight().default(defaults.gaussian_compat).describe("weight of the smoothness kernel"),
  bilateral_sxy: crfWidth()
    .default(defaults.bilateral_sxy)
    .describe("spatial width of the appearance kernel, in pixels"),
  bilateral_srgb: crfWidth()
    .default(defaults.bilateral_srgb)
    .describe("colour width of the appearance kernel, in grey levels (0 to 255)"),
  bilateral_compat: crfWeight().default(defaults.bilateral_compat).describe("weight of the appearance kernel"),
});

/** The dense CRF on two hard labelings or a soft one; also used by `refine crf`. */
const crfKeys = {
  gt_prob: z.number().gt(0).lt(1).default(0.7).describe("certainty given to each pixel of a hard labeling"),
  ...crfKernels({ gaussian_sxy: 3, gaussian_compat: 3, bilateral_sxy: 50, bilateral_srgb: 5, bilateral_compat: 10 }),
};

export const pseudoLabels = section("pseudo-labels from the teacher's CAMs (paper Eq. 2 and 6)", {
  background_threshold: fraction().default(0.05).describe("below this every normalised CAM says background (δ_bg)"),
  foreground_threshold: fraction().default(0.35).describe("above this the strongest CAM says its class (δ_fg)"),
  normalise: z
    .enum(["upsampled", "strided"])
    .default("upsampled")
    .describe(
      "where each CAM is divided by its maximum: after upsampling (paper) or at the network's stride (authors)",
    ),
  crf_input: z
    .enum(["hard", "soft"])
    .default("hard")
    .describe("what the CRF starts from: two hard labelings (authors) or the normalised CAMs (paper)"),
  ...crfKeys,
})
  .refine(...crfScaled("pseudo_labels"))
  .refine((labels) => labels.background_threshold <= labels.foreground_threshold, {
    path: ["background_threshold"],
    message: "expected pseudo_labels.background_threshold not above pseudo_labels.foreground_threshold",
  });

export const refine = section("refinement of finished label maps", {
  crf: section("the dense CRF", crfKeys).refine(...crfScaled("refine.crf")),
});

export const classmix = section("ClassMix: half of one image's classes pasted onto another", {
  probability: fraction().default(0.5).describe("how often images are mixed"),
  scope: z.enum(["image", "batch"]).default("image").describe("whether the draw is made per image or once a batch"),
});

export const classification = section("the classification loss (paper Eq. 5)", {
  weight: notNegative().default(1).describe("factor of this loss"),
});

export const segmentation = section("the segmentation loss on pseudo-labels of labelled images (paper Eq. 7)", {
  weight: notNegative().default(1).describe("factor of this loss"),
  tags_weight: notNegative()
    .default(0)
    .describe("factor of a second cross-entropy whose softmax runs over the image's tags and the background only"),
  drop_without_foreground: z
    .boolean()
    .default(false)
    .describe("leave out images whose pseudo-labels hold no foreground (authors)"),
});

export const s2c = section("activation consistency: the segmentation teaches the CAMs (paper Eq. 8 and 9)", {
  weight: ramp(notNegative()).default({ from: 0.1, to: 1 }).describe("factor of this loss (λ_s2c)"),
  sigma: ramp(fraction())
    .default({ from: 0.1, to: 1 })
    .describe("the teacher's probability above which a pixel counts (σ_s2c)"),
});

export const unsupervised = section("segmentation consistency on unlabelled images (paper Eq. 10 to 12)", {
  weight: notNegative().default(1).describe("factor of this loss"),
  normaliser: z
    .enum(["kept", "u2pl"])
    .default("kept")
    .describe("mean over the kept pixels (paper) or that times all ÷ kept pixels (authors, after U2PL)"),
  reliable: ramp(fraction())
    .default({ from: 0.8, to: 1 })
    .describe("fraction of pixels kept, those of lowest entropy in the teacher's prediction"),
});

export const contrast = section("pixel contrast against class-wise memory banks (paper Eq. 13)", {
  weight: notNegative().default(1).describe("factor of this loss"),
  queries: atLeast(1).default(50).describe("anchor pixels a class and step"),
  negatives: atLeast(1).default(256).describe("bank rows that each anchor is held against"),
  temperature: positive().default(0.5).describe("divides the cosine similarities"),
  low_rank: atLeast(0)
    .default(3)
    .describe(
      "γ_l: ranks 1 to γ_l by the teacher are top ranks; a pixel is a negative of such a class where the tags rule it out",
    ),
  high_rank: atLeast(1).default(6).describe("γ_h: ranks between γ_l and γ_h make negatives whatever the tags say"),
  positive_confidence: fraction()
    .default(0.3)
    .describe("teacher probability above which a reliable pixel joins its class's positive; 0: no test (authors)"),
  negative_max_confidence: fraction()
    .default(1)
    .describe("teacher probability below which a pixel may be a negative of a class; 1: no test"),
  labelled_entropy_split: z
    .boolean()
    .default(true)
    .describe(
      "true: both halves are split by entropy, negatives follow the tags (paper); " +
        "false: every labelled pixel is reliable and unreliable, negatives follow its label, ranks up to γ_h included (authors)",
    ),
  bank: section("rows of the memory banks", {
    foreground: atLeast(1).default(30_000).describe("rows for every foreground class"),
    background: atLeast(1).default(50_000).describe("rows for the background"),
  }),
}).refine((contrast) => contrast.low_rank < contrast.high_rank, {
  path: ["low_rank"],
  message: "expected contrast.low_rank below contrast.high_rank",
});

export const ema = section("the teacher, a moving average of the student", {
  decay: z.number().min(0).lt(1).default(0.99).describe("highest decay; it grows towards it as 1 − 1/(1 + step)"),
  absent_classes: z
    .enum(["drop", "merge"])
    .default("drop")
    .describe(
      "what its segmentation gives to classes that the tags rule out: drop leaves it out (paper), merge gives it to the tagged classes",
    ),
  second_look: z
    .boolean()
    .default(true)
    .describe(
      "whether it looks at the mixed images too, with dropout, for entropies and representations (paper); false: these are of the plain " +
        "images, mixed along, which saves a pass",
    ),
});
