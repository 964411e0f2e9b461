/** The whole recipe: every key with its type, range, default and description. Unknown keys are errors. */
import { z } from "zod";
import { atLeast } from "./keys.ts";
import {
  classification,
  classmix,
  contrast,
  ema,
  pseudoLabels,
  refine,
  s2c,
  segmentation,
  unsupervised,
} from "./method-sections.ts";
import {
  batch,
  checkpoints,
  data,
  log,
  model,
  optimizer,
  predict,
  pretrain,
  schedule,
  transforms,
} from "./run-sections.ts";
import { verify } from "./verify-section.ts";

export const recipeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[^/\\\p{Cc}]+$/u)
      .meta({ form: "a file name: text without slashes" })
      .default("recipe")
      .describe("what the run is called; the file's name when absent"),
    seed: atLeast(0).max(0xffff_ffff).default(0).describe("seed of every random draw"),
    device: z
      .string()
      .regex(/^(cpu|cuda(:\d+)?)$/)
      .meta({ form: '"cpu", "cuda" or "cuda:N"' })
      .default("cpu")
      .describe("where tensors live"),
    threads: z
      .union([atLeast(1).max(512), z.literal("auto")])
      .default("auto")
      .describe("CPU threads of tensor operators; auto: one a core"),
    precision: z
      .enum(["auto", "fp32", "bf16", "fp16"])
      .default("auto")
      .describe(
        "arithmetic of the networks: fp32, autocast to bf16 or (GPUs only, with loss scaling) fp16, or auto: bf16 where the CPU or GPU has instructions for it",
      ),
    data,
    model,
    pretrain,
    batch,
    transforms,
    schedule,
    optimizer,
    label_smoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .describe("moves the targets of L_c, L_s and L_s2c from 0 and 1 towards the middle"),
    pseudo_labels: pseudoLabels,
    classmix,
    classification,
    segmentation,
    s2c,
    unsupervised,
    contrast,
    ema,
    predict,
    refine,
    verify,
    checkpoints,
    log,
  })
  .refine((recipe) => recipe.precision !== "fp16" || recipe.device !== "cpu", {
    path: ["precision"],
    message: "expected auto, fp32 or bf16 for precision on the CPU, got fp16, which is for GPUs",
  })
  .refine((recipe) => recipe.predict.threshold !== "train" || recipe.data.lists.score.length > 0, {
    path: ["predict", "threshold"],
    message: "expected a number for predict.threshold, since data.lists.score names no list to choose it on",
  })
  .refine((recipe) => recipe.predict.checkpoint !== "best_by_masks" || recipe.data.lists.score.length > 0, {
    path: ["predict", "checkpoint"],
    message:
      "expected last or step-N for predict.checkpoint, since data.lists.score names no list whose masks could choose",
  })
  .superRefine(({ data, model, pretrain }, context) => {
    const multiple = pretrain.puzzle.tiles * model.output_stride;
    if (pretrain.method === "cam" || data.size.every((side) => side % multiple === 0)) return;
    context.addIssue({
      code: "custom",
      path: ["data", "size"],
      message:
        `expected multiples of ${multiple} (pretrain.puzzle.tiles × model.output_stride) for data.size, got ${data.size.join(" × ")}: ` +
        `with pretrain.method ${pretrain.method} the maps of tiles and of the whole image must lie on each other`,
    });
  });

/** A recipe with every value filled in; keys as in the YAML files. */
export type Recipe = z.output<typeof recipeSchema>;
