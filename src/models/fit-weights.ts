/** What a remapped file gives to a backbone, a classifier or a CSRM network, and which differences are no error. */
import type { StoredTensor } from "../formats/stored-tensor.ts";
import type { LoadOptions } from "../torch/nn/index.ts";
import { backbones } from "./registry.ts";
import type { Remapped } from "./remap.ts";

/** What the numbers are for. */
export const purposes = ["backbone", "classifier", "csrm"] as const;
export type Purpose = (typeof purposes)[number];

/** Older files have no batch counters; nothing depends on them while the momentum is fixed. */
const COUNTERS = /(^|\.)num_batches_tracked$/;
const IMAGENET_CLASSIFIER = new RegExp(`^(${classifierPrefixes().join("|")})(\\d+\\.)?(weight|bias)$`);
/** What a CSRM (or DeepLabV3+) network has beyond a start classifier. */
export const HEADS = /^(aspp|project|decoder|representation)\./;
const CLASS_SCORES = /^classifier\.weight$/;

/** Allowed differences: batch counters may be absent, and parts that the purpose has no use for may be left over. */
export const allowances = {
  backbone: { allowMissing: [COUNTERS], allowUnexpected: [IMAGENET_CLASSIFIER, CLASS_SCORES, HEADS] },
  classifier: { allowMissing: [COUNTERS], allowUnexpected: [IMAGENET_CLASSIFIER, HEADS] },
  csrm: { allowMissing: [COUNTERS], allowUnexpected: [IMAGENET_CLASSIFIER] },
} satisfies Record<Purpose, LoadOptions>;

/** The file's tensors by the names of the network that they are for; names without a place stay as they are. */
export function tensorsFor(purpose: Purpose, { tensors, classifier, unknown }: Remapped): Map<string, StoredTensor> {
  const rest = [...classifier, ...unknown];
  if (purpose !== "backbone") return new Map([...tensors, ...rest]);
  return new Map([...[...tensors].map(([key, tensor]) => [key.replace(/^backbone\./, ""), tensor] as const), ...rest]);
}

/** Which training of csrm a file is a checkpoint of, by the group that its network's names stand in; null: of none. */
export function trainingOf({ moves }: Pick<Remapped, "moves">): "train" | "pretrain" | null {
  const group = /^(teacher|model)\//.exec(moves[0]?.from ?? "")?.[1];
  return group === undefined ? null : group === "teacher" ? "train" : "pretrain";
}

/** Why a checkpoint cannot become a network that csrm uses by itself, and what to take instead. */
export function insteadOfCheckpoint(stage: "train" | "pretrain"): string {
  const earlier = stage === "train" ? "; for an earlier step set predict.checkpoint: step-N in the recipe" : "";
  return (
    "a checkpoint of a training does not say what its network is (classes, mean, std, padding, strides); " +
    `use RUN/${stage}/model.safetensors, written when the training ends${earlier}`
  );
}

/** For which purposes a file has all parts, converted or as it is; its shapes are checked when it is loaded. */
export function purposesOf(remapped: Remapped): Purpose[] {
  const { layout, backbone, tensors } = remapped;
  if (backbone === undefined) return [];
  const scores = tensors.has("classifier.weight");
  // A checkpoint of ours is not converted, so it serves only where it is taken as it is.
  if (trainingOf(remapped)) return scores && layout !== "csrm" ? ["backbone", "classifier"] : ["backbone"];
  return purposes.filter(
    (purpose) => purpose === "backbone" || (scores && (purpose === "classifier" || layout === "csrm")),
  );
}

function classifierPrefixes(): string[] {
  return [...new Set(backbones.map((each) => each.classifierPrefix.replace(".", "\\.")))];
}
