/** Start weights of DeepLabV2's ResNet-101: files with the names of its public training, or of torchvision's ResNet-101. */
import { naming } from "../errors.ts";
import type { StoredTensor } from "../formats/stored-tensor.ts";
import { openTensorFile } from "../formats/tensor-file.ts";
import { loadTensor } from "../torch/index.ts";
import type { Module, StateDict } from "../torch/nn/index.ts";

/** Older files have no batch counters. */
const COUNTERS = /\.num_batches_tracked$/;
/** The classifiers are new, and those of a file are another data set's. */
const CLASSIFIERS = /^(aspp|fc|classifier)\./;
const WRAPPERS = /^(?:module\.|base\.|scale\.)+/;
/** Only the Caffe original's conversions name their layers so. */
const CAFFE = /^layer1\.conv1\.conv\.weight$/;

const PARTS: Readonly<Record<string, string>> = {
  conv1: "reduce.conv",
  bn1: "reduce.bn",
  conv2: "conv3x3.conv",
  bn2: "conv3x3.bn",
  conv3: "increase.conv",
  bn3: "increase.bn",
  "downsample.0": "shortcut.conv",
  "downsample.1": "shortcut.bn",
};

/** The name in DeepLabV2 of a tensor of torchvision's ResNet; names of its own stay. */
export function deepLabV2Name(key: string): string {
  const bare = key.replace(WRAPPERS, "");
  const stem = /^(conv1|bn1)\.(.+)$/.exec(bare);
  if (stem) return `layer1.conv1.${stem[1] === "conv1" ? "conv" : "bn"}.${stem[2]}`;
  const block = /^layer(\d)\.(\d+)\.((?:conv|bn)\d|downsample\.\d)\.(.+)$/.exec(bare);
  if (!block) return bare;
  const [, stage, index, part, rest] = block;
  return `layer${Number(stage) + 1}.block${Number(index) + 1}.${PARTS[part!]}.${rest}`;
}

/** Whether a file's images were bytes in blue, green, red, as the Caffe original's. @throws CsrmError when it cannot be read */
export function isCaffe(path: string): boolean {
  using file = openTensorFile(path);
  return [...file.tensors.keys()].some((key) => CAFFE.test(key.replace(WRAPPERS, "")));
}

/** Fills layer1 … layer5; the classifiers keep their own values. @throws CsrmError (code "weights") naming the file and the keys */
export function loadDeepLabV2Weights(base: Module, path: string): void {
  using file = openTensorFile(path);
  const stored = new Map<string, StoredTensor>([...file.tensors].map(([key, tensor]) => [deepLabV2Name(key), tensor]));
  const tensors: StateDict = new Map();
  try {
    for (const [key, tensor] of stored) if (!CLASSIFIERS.test(key)) tensors.set(key, loadTensor(tensor));
    naming(path, () => base.loadStateDict(tensors, { allowMissing: [COUNTERS, CLASSIFIERS] }));
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}
