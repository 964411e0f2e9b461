/** Opens published weights of Segment Anything: the network follows from the names and shapes in the file. */
import { CsrmError, expected, naming } from "../../errors.ts";
import type { StoredTensor } from "../../formats/stored-tensor.ts";
import { openTensorFile } from "../../formats/tensor-file.ts";
import { loadTensor, noGrad } from "../../torch/index.ts";
import { compareKeys, type Shapes } from "../../torch/nn/index.ts";
import { LAYOUTS, layoutOf } from "../key-layouts.ts";
import { type SamVariant, samVariants } from "./config.ts";
import { createSam, type Sam } from "./sam.ts";

/**
 * Which published network names and shapes belong to, by its image encoder; undefined for others, such as those of later kinds.
 * @param tensors by the names of the published files
 */
export function samVariantOf(tensors: Shapes): SamVariant | undefined {
  const names = Object.keys(samVariants) as SamVariant[];
  return names.find((name) => {
    const { encoder } = samVariants[name];
    if (encoder.kind === "vit") {
      const dim = tensors.get("image_encoder.pos_embed")?.shape[3];
      return encoder.dim === dim && encoder.depth === countOf(tensors, /^image_encoder\.blocks\.\d+\.norm1\.weight$/);
    }
    const widths = encoder.dims.map((_, i) => tensors.get(firstWeightOf(i))?.shape[1]);
    return widths.join() === encoder.dims.join();
  });
}

/** Without the prefix that DataParallel adds. */
export function publishedNames<Value>(tensors: ReadonlyMap<string, Value>): Map<string, Value> {
  return new Map([...tensors].map(([key, tensor]) => [key.replace(/^module\./, ""), tensor]));
}

/** Of stage i of a small transformer: convolutions first, then attention. */
function firstWeightOf(stage: number): string {
  return `image_encoder.layers.${stage}.blocks.0.${stage === 0 ? "conv1.c" : "attn.qkv"}.weight`;
}

function countOf(tensors: Shapes, pattern: RegExp): number {
  return [...tensors.keys()].filter((key) => pattern.test(key)).length;
}

/**
 * Builds the network that a file of weights is for and loads it, strictly: every name and shape must fit. Nothing in the file is run.
 * @param options.want another network in the file is an error
 * @throws CsrmError naming the file when it is missing or damaged, or (code "weights") holds something else
 */
export function loadSam(
  path: string,
  { want, device = "cpu" }: { want?: SamVariant; device?: string } = {},
): {
  sam: Sam;
  variant: SamVariant;
} {
  using file = openTensorFile(path);
  const stored = publishedNames(file.tensors);
  const variant = requireVariant(stored, path);
  if (want !== undefined && want !== variant) throw expected(`weights of ${want}`, path, variant);
  const sam = createSam(variant);
  try {
    naming(path, () => copyInto(sam, stored));
    return { sam: sam.to({ device }), variant };
  } catch (error) {
    sam.dispose();
    throw error;
  }
}

/** The network that a file of weights is for, by its names and shapes alone. @throws CsrmError as `loadSam` */
export function samVariantIn(path: string): SamVariant {
  using file = openTensorFile(path);
  return requireVariant(publishedNames(file.tensors), path);
}

function requireVariant(stored: ReadonlyMap<string, StoredTensor>, path: string): SamVariant {
  const layout = layoutOf(stored.keys());
  const fix = "csrm weights fetch sam_vit_b gets one";
  if (layout !== "sam") throw expected(LAYOUTS.sam, path, LAYOUTS[layout], fix);
  const variant = samVariantOf(stored);
  if (variant) return variant;
  const names = Object.keys(samVariants).join(", ");
  throw new CsrmError(`${path} holds a Segment Anything network of another kind than ${names}; ${fix}`, {
    code: "weights",
  });
}

/** One tensor after the other: the largest network has 2.5 GB, which need not be in memory twice. */
function copyInto(sam: Sam, stored: ReadonlyMap<string, StoredTensor>): void {
  const state = sam.stateDict();
  compareKeys(state, stored);
  noGrad(() => {
    for (const [key, target] of state) {
      using tensor = loadTensor(stored.get(key)!);
      target.copy_(tensor);
    }
  });
}
