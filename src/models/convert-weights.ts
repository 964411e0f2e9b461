/** Turns a file of any readable format and layout into one with our names, checked against the network that it is for. */
import { CsrmError, expected, naming } from "../errors.ts";
import type { StoredTensor, TensorFile } from "../formats/stored-tensor.ts";
import { compareKeys, type LoadOptions, type Module, type Shapes, withoutInit } from "../torch/nn/index.ts";
import { HEAD_GROUPS } from "./aspp.ts";
import type { OutputStride } from "./backbone.ts";
import { Classifier } from "./classifier.ts";
import { CSRM } from "./csrm.ts";
import { allowances, insteadOfCheckpoint, type Purpose, tensorsFor, trainingOf } from "./fit-weights.ts";
import { weightsInfoOf } from "./load-weights.ts";
import { type ModelInfo, modelMetadata, parseModelInfo } from "./model-file.ts";
import { backboneInfo, createBackbone } from "./registry.ts";
import { type Remapped, remap } from "./remap.ts";

export interface ConvertOptions {
  purpose: Purpose;
  /** The registry's name; by default what the file's names say. */
  backbone?: string;
  /** What the network's classes are, in its order: the file then says what it is, and csrm can use it alone. */
  classes?: ModelInfo["classes"];
  /** How the network is to be run, where classes are given. Default 16. */
  outputStride?: OutputStride;
  /** Of a CSRM network. Default 4. */
  decoderStride?: 4 | 8;
  /** Names that may be missing or unexpected beside those that do not matter for the purpose. */
  allowMissing?: readonly RegExp[];
  allowUnexpected?: readonly RegExp[];
}

export interface Converted {
  /** In the order of the network. */
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
  backbone: string;
  layout: Remapped["layout"];
  missing: string[];
  leftOver: string[];
}

/**
 * @throws CsrmError (code "weights") naming the file and the keys that are missing, unexpected or of another shape; also for a
 * checkpoint of our training, whose normalisation, padding and strides would have to be guessed
 */
export function convertWeights(file: TensorFile, options: ConvertOptions): Converted {
  return naming(file.name, () => {
    const remapped = remap(file);
    const stage = trainingOf(remapped);
    if (stage && parseModelInfo(file.metadata, file.name) === null) {
      throw new CsrmError(insteadOfCheckpoint(stage), { code: "weights" });
    }
    const name = options.backbone ?? remapped.backbone;
    if (name === undefined) {
      throw expected("a backbone of csrm", file.name, "one that its names do not tell", "name it with --backbone");
    }
    const stored = tensorsFor(options.purpose, remapped);
    const wanted = shapesOf(name, stored, options);
    const { missing, unexpected } = compareKeys(wanted, stored, allowed(options));
    const tensors = new Map([...wanted.keys()].flatMap((key) => (stored.has(key) ? [[key, stored.get(key)!]] : [])));
    const metadata = describe(file, { ...options, backbone: name }, stored);
    return { tensors, metadata, backbone: name, layout: remapped.layout, missing, leftOver: unexpected };
  });
}

/** Names and shapes of the network that is wanted, with as many classes and channels as the file has. */
function shapesOf(name: string, stored: Shapes, { purpose }: ConvertOptions): Shapes {
  const network = withoutInit((): Module => {
    const backbone = createBackbone(name);
    if (purpose === "backbone") return backbone;
    // Where the file has no such part, or a strange one, the check of the shapes will say so.
    const [classes = 0, channels] = stored.get("classifier.weight")?.shape ?? [];
    const options = { backbone, classes: channels === backbone.highChannels && classes > 0 ? classes : 1 };
    if (purpose === "classifier") return new Classifier(options);
    const [out = 0, into] = stored.get("aspp.conv1.weight")?.shape ?? [];
    const usual = out > 0 && out % HEAD_GROUPS === 0 && into === out * 5;
    return new CSRM({ ...options, headChannels: usual ? out : undefined });
  });
  const shapes = new Map([...network.stateDict()].map(([key, { shape }]) => [key, { shape }]));
  network.dispose();
  return shapes;
}

function allowed({ purpose, allowMissing = [], allowUnexpected = [] }: ConvertOptions): LoadOptions {
  const usual: LoadOptions = allowances[purpose];
  return {
    allowMissing: [...(usual.allowMissing ?? []), ...allowMissing],
    allowUnexpected: [...(usual.allowUnexpected ?? []), ...allowUnexpected],
  };
}

/** What the new file says about itself: what the old one said, and the network's description where the classes are known. */
function describe(file: TensorFile, options: ConvertOptions & { backbone: string }, stored: Shapes) {
  const { backbone, purpose, classes, outputStride = 16, decoderStride = 4 } = options;
  const { csrm_model: _, ...said } = file.metadata;
  const stated = weightsInfoOf(file.metadata, file.name);
  const known = backboneInfo(backbone);
  const { mean, std } = stated.normalisation ?? known;
  const padding = stated.padding ?? "symmetric";
  const plain = {
    ...said,
    architecture: backbone,
    ...(stated.normalisation ? { input_mean: mean.join(), input_std: std.join() } : {}),
    ...(stated.padding ? { padding } : {}),
  };
  if (purpose === "backbone") return plain;
  const before = parseModelInfo(file.metadata, file.name);
  if (!classes) {
    const fits = before !== null && (purpose === "classifier" || before.kind === "csrm");
    return fits ? modelMetadata({ ...before, kind: purpose }) : plain;
  }
  if (!known.outputStrides.includes(outputStride)) {
    throw expected(`one of ${known.outputStrides.join(", ")} with ${backbone}`, "--output-stride", outputStride);
  }
  const held = stored.get("classifier.weight")?.shape[0];
  if (held === undefined) throw expected("scores (classifier.weight)", "--classes", "a file without any");
  if (held !== classes.ids.length - 1) {
    const names = classes.names.slice(1);
    throw expected(`${held} classes as in the file`, "--classes", `${names.length}: ${names.join(", ")}`);
  }
  const head = stored.get("aspp.conv1.weight")?.shape[0] ?? 256;
  const info: ModelInfo = {
    ...{ kind: purpose, backbone, outputStride, padding, headChannels: head, decoderStride },
    ...{ classes: { ids: classes.ids, names: classes.names }, mean, std },
  };
  return { ...plain, ...modelMetadata(info) };
}
