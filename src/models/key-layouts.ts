/**
 * Names of parameters in published checkpoints and where they belong in a CSRM network (backbone.*, classifier.weight, aspp.*,
 * project.*, decoder.*, representation.*). Every name decides for itself, so files that mix conventions need no case of their own.
 */

/** What a name tells about its file. */
export type KeyOrigin =
  | "imagenet" // conv1.*, layer1.*, features.*: torchvision, ResNeSt, timm
  | "imagenet-classifier" // fc.*, classifier.1.*: has no place in CSRM
  | "stages" // stage1.0.*: Puzzle-CAM, and P-NOC of 2023
  | "backbone" // P-NOC since 2024, CSRM, ours
  | "classifier" // classifier.weight: scores of image-level classes
  | "csrm-head"
  | "deeplab-head"; // of a DeepLabV3+, for verification

export interface KeyPlace {
  /** Name in a CSRM network; null for what has no place there. */
  target: string | null;
  /** The name without wrappers' prefixes. */
  bare: string;
  origin: KeyOrigin;
  /** Whether "model." was before it, as in Puzzle-CAM. */
  model: boolean;
}

/** Prefixes that wrappers add: DataParallel, torch.compile, and a network that holds the backbone as `model`. */
const WRAPPERS = /^(?:module\.|_orig_mod\.|model\.)+/;

/** The first match decides. A target is the replacement, with the match's groups. */
const RULES: readonly { pattern: RegExp; origin: KeyOrigin; target: string | null }[] = [
  { pattern: /^(backbone\..+)$/, origin: "backbone", target: "$1" },
  { pattern: /^((?:conv1|bn1|layer[1-4]|features)\..+)$/, origin: "imagenet", target: "backbone.$1" },
  { pattern: /^(?:fc|classifier\.\d+)\.(?:weight|bias)$/, origin: "imagenet-classifier", target: null },
  { pattern: /^classifier\.weight$/, origin: "classifier", target: "classifier.weight" },
  { pattern: /^stage1\.0\.(.+)$/, origin: "stages", target: "backbone.conv1.$1" },
  { pattern: /^stage1\.1\.(.+)$/, origin: "stages", target: "backbone.bn1.$1" },
  { pattern: /^stage2\.0\.(.+)$/, origin: "stages", target: "backbone.layer1.$1" },
  { pattern: /^stage3\.0\.(.+)$/, origin: "stages", target: "backbone.layer2.$1" },
  { pattern: /^stage4\.0\.(.+)$/, origin: "stages", target: "backbone.layer3.$1" },
  { pattern: /^stage5\.0\.(.+)$/, origin: "stages", target: "backbone.layer4.$1" },
  { pattern: /^(decoder\.(?:conv1|bn1|classifier)\..+)$/, origin: "deeplab-head", target: "$1" },
  { pattern: /^((?:aspp|project|decoder|representation)\..+)$/, origin: "csrm-head", target: "$1" },
];

/** Where a name belongs; undefined for names that no rule knows. */
export function placeOf(key: string): KeyPlace | undefined {
  const wrapper = WRAPPERS.exec(key)?.[0] ?? "";
  const bare = key.slice(wrapper.length);
  for (const { pattern, origin, target } of RULES) {
    if (!pattern.test(bare)) continue;
    const model = wrapper.includes("model.");
    return { target: target === null ? null : bare.replace(pattern, target), bare, origin, model };
  }
  return undefined;
}

/** What a whole file is. */
export type Layout =
  | "imagenet"
  | "puzzle-cam"
  | "pnoc-stages"
  | "classifier"
  | "csrm"
  | "deeplabv3+"
  | "sam"
  | "unknown";

/** Each layout in words. */
export const LAYOUTS: Record<Layout, string> = {
  imagenet: "a backbone with the names of torchvision, ResNeSt and timm",
  "puzzle-cam": "a classifier of Puzzle-CAM (model.* and stageN.*)",
  "pnoc-stages": "a classifier of P-NOC from 2023 (stageN.* only)",
  classifier: "a classifier as P-NOC since 2024 and csrm write them (backbone.*)",
  csrm: "a CSRM network",
  "deeplabv3+": "a DeepLabV3+ network",
  sam: "a Segment Anything network",
  unknown: "names that csrm does not know",
};

/** The layout of a file by the places of its names. */
export function layoutOf(keys: Iterable<string>): Layout {
  const seen = new Set<string>();
  for (const key of keys) {
    const place = placeOf(key);
    seen.add(place?.origin ?? (/^(module\.)?(image_encoder|mask_decoder)\./.test(key) ? "sam" : "unknown"));
    if (place?.model && place.origin === "imagenet") seen.add("model");
  }
  if (seen.has("sam")) return "sam";
  if (seen.has("deeplab-head")) return "deeplabv3+";
  if (seen.has("csrm-head")) return "csrm";
  if (seen.has("stages")) return seen.has("model") ? "puzzle-cam" : "pnoc-stages";
  if (seen.has("backbone")) return "classifier";
  if (seen.has("imagenet")) return seen.has("classifier") ? "puzzle-cam" : "imagenet";
  return "unknown";
}

/** Blocks of the four stages and what a block looks like, by the backbone's name in the registry. */
const STRUCTURES: readonly [name: string, blocks: string, block: "basic" | "bottleneck" | "split-attention"][] = [
  ["resnet18", "2,2,2,2", "basic"],
  ["resnet34", "3,4,6,3", "basic"],
  ["resnet50", "3,4,6,3", "bottleneck"],
  ["resnet101", "3,4,23,3", "bottleneck"],
  ["resnest50", "3,4,6,3", "split-attention"],
  ["resnest101", "3,4,23,3", "split-attention"],
  ["resnest200", "3,24,36,3", "split-attention"],
  ["resnest269", "3,30,48,8", "split-attention"],
];

/** Which of the registry's backbones the names backbone.* belong to; undefined when to none. */
export function backboneOf(targets: Iterable<string>): string | undefined {
  const blocks = [new Set<string>(), new Set<string>(), new Set<string>(), new Set<string>()];
  let block: "basic" | "bottleneck" | "split-attention" = "basic";
  let features = 0;
  for (const target of targets) {
    const stage = /^backbone\.layer([1-4])\.(\d+)\./.exec(target);
    if (stage) blocks[Number(stage[1]) - 1]!.add(stage[2]!);
    if (/\.conv2\.fc1\./.test(target)) block = "split-attention";
    else if (/\.conv3\.weight$/.test(target) && block === "basic") block = "bottleneck";
    features = Math.max(features, Number(/^backbone\.features\.(\d+)\./.exec(target)?.[1] ?? 0));
  }
  if (features === 18) return "mobilenet_v2";
  const counts = blocks.map((each) => each.size).join();
  return STRUCTURES.find(([, structure, kind]) => structure === counts && kind === block)?.[0];
}
