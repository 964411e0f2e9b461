import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "../../src/data/classes.ts";
import { encodeTorchFile } from "../../src/formats/torch-writer.ts";
import { Classifier } from "../../src/models/classifier.ts";
import { CSRM } from "../../src/models/csrm.ts";
import { loadBackboneWeights, loadStartClassifier, readWeightsInfo } from "../../src/models/load-weights.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { fromTypedArray, liveTensors, noGrad, scope, type Tensor } from "../../src/torch/index.ts";
import type { StateDict } from "../../src/torch/nn/index.ts";
import { saveTensors } from "../../src/torch/serialization.ts";
import { loadRecipe } from "../../src/training/config.ts";
import { describeModel } from "../../src/training/network.ts";
import { fillModule } from "../helpers/fill.ts";
import { puzzleNames, stageNames, storedFrom } from "../helpers/stored.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "csrm-weights-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, tensors: StateDict, metadata: Record<string, string> = {}): string {
  const file = path.join(folder, name);
  saveTensors(file, tensors, metadata);
  return file;
}

function filled(classes = 0) {
  const backbone = createBackbone("resnet18", { classes });
  fillModule(backbone);
  return backbone;
}

const norms = (state: StateDict) => [...state.values()].map((each) => scope(() => each.to("float32").norm().item()));

describe("loadBackboneWeights", () => {
  it("copies a file with batch counters absent and a classifier left over, and reports both", () => {
    const source = filled(10);
    const state = source.stateDict();
    const counters = [...state.keys()].filter((key) => key.endsWith("num_batches_tracked"));
    for (const key of counters) state.delete(key);
    const file = write("full.safetensors", state, { architecture: "resnet18" });
    const target = createBackbone("resnet18");
    const before = liveTensors();
    const report = loadBackboneWeights(target, file);
    expect(report).toEqual({
      info: { architecture: "resnet18" },
      missing: counters,
      leftOver: ["fc.weight", "fc.bias"],
    });
    expect(liveTensors()).toBe(before);
    expect(norms(target.stateDict())).toEqual(norms(filled().stateDict()));
    source.dispose();
    target.dispose();
  });

  it("names the file and the keys that do not match", () => {
    const state = filled().stateDict();
    state.delete("layer1.0.conv1.weight");
    state.set("layer9.weight", state.get("bn1.bias")!);
    const file = write("other.safetensors", state);
    const load = () => loadBackboneWeights(createBackbone("resnet18"), file);
    expect(load).toThrow(/other\.safetensors.*missing: layer1\.0\.conv1\.weight.*unexpected: layer9\.weight/);
  });

  it("says which backbone the file has, where it is another one", () => {
    const file = write("smaller.safetensors", filled().stateDict());
    expect(() => loadBackboneWeights(createBackbone("resnet50"), file)).toThrow(
      `expected weights of resnet50 in ${file}, got those of resnet18; name weights of resnet50, or resnet18 as the recipe's backbone`,
    );
    const padded = write("padded.safetensors", filled().stateDict(), {
      architecture: "mobilenet_v2",
      padding: "tf_same",
    });
    const values = { "data.root": folder, "model.weights": padded, "model.backbone": "resnet18" };
    const recipe = loadRecipe("own", { values });
    expect(() => describeModel(recipe, "csrm", tableOf(["cat"]))).toThrow(
      `expected weights of resnet18 in ${padded}, got those of mobilenet_v2`,
    );
  });
});

describe("loadStartClassifier", () => {
  it("restores backbone and classifier of a CSRM network and leaves its heads alone", () => {
    const start = new Classifier({ backbone: filled(), classes: 3 });
    const file = write("start.safetensors", start.stateDict());
    const model = new CSRM({ backbone: createBackbone("resnet18"), classes: 3, headChannels: 8 });
    const heads = norms(model.aspp.stateDict());
    loadStartClassifier(model, file);
    expect(norms(model.backbone.stateDict())).toEqual(norms(start.backbone.stateDict()));
    expect(model.classifier.weight.toArray()).toEqual(start.classifier.weight.toArray());
    expect(norms(model.aspp.stateDict())).toEqual(heads);
    const other = new CSRM({ backbone: createBackbone("resnet18"), classes: 4, headChannels: 8 });
    expect(() => loadStartClassifier(other, file)).toThrow(/classifier\.weight \(expected \[4,512,1,1\]/);
  });
});

describe("files of other programs", () => {
  const start = new Classifier({ backbone: filled(), classes: 3 });

  function writePth(name: string, rename: (key: string) => string[]): string {
    const file = path.join(folder, name);
    writeFileSync(file, Buffer.concat(encodeTorchFile(storedFrom(start.stateDict(), rename))));
    return file;
  }

  it.each([
    ["Puzzle-CAM", puzzleNames],
    ["P-NOC of 2023", stageNames],
    ["DataParallel", (key: string) => [`module.${key}`]],
  ])("start a CSRM network and a backbone all the same: %s", (name, rename) => {
    const file = writePth(`${name}.pth`, rename);
    const model = new CSRM({ backbone: createBackbone("resnet18"), classes: 3, headChannels: 8 });
    const before = liveTensors();
    loadStartClassifier(model, file);
    expect(liveTensors()).toBe(before);
    expect(norms(model.backbone.stateDict())).toEqual(norms(start.backbone.stateDict()));
    expect(model.classifier.weight.toArray()).toEqual(start.classifier.weight.toArray());

    const backbone = createBackbone("resnet18");
    expect(loadBackboneWeights(backbone, file)).toEqual({ info: {}, missing: [], leftOver: ["classifier.weight"] });
    expect(norms(backbone.stateDict())).toEqual(norms(start.backbone.stateDict()));
  });

  it("are refused where a key is missing, unknown or of another shape, with the names", () => {
    const file = writePth("odd.pth", (key) => (key === "backbone.bn1.bias" ? ["backbone.bn9.bias"] : [key]));
    const model = new CSRM({ backbone: createBackbone("resnet18"), classes: 3, headChannels: 8 });
    expect(() => loadStartClassifier(model, file)).toThrow(
      /odd\.pth: .*1 key missing: backbone\.bn1\.bias; 1 key unexpected: backbone\.bn9\.bias/,
    );
  });

  it("with segmentation heads are no start classifier", () => {
    const model = new CSRM({ backbone: createBackbone("resnet18"), classes: 3, headChannels: 8 });
    const file = write("heads.safetensors", model.stateDict());
    expect(() => loadStartClassifier(model, file)).toThrow(
      /expected a start classifier for .*heads\.safetensors, got .*segmentation heads.*csrm weights convert/,
    );
  });
});

describe("readWeightsInfo", () => {
  const info = (metadata: Record<string, string>) => readWeightsInfo(write("info.safetensors", new Map(), metadata));

  it("reads normalisation and padding, or nothing", () => {
    expect(info({ input_mean: "0.5, 0.5,0.5", input_std: ".1,.2,.3", padding: "tf_same" })).toEqual({
      normalisation: { mean: [0.5, 0.5, 0.5], std: [0.1, 0.2, 0.3] },
      padding: "tf_same",
    });
    expect(info({})).toEqual({});
    const input = { mean: [0.1, 0.2, 0.3], std: [1, 1, 1], padding: "symmetric" };
    const network = {
      kind: "classifier",
      backbone: "resnet18",
      classes: { ids: [0], names: ["background"] },
      ...input,
    };
    expect(info({ csrm_model: JSON.stringify(network) })).toEqual({
      architecture: "resnet18",
      normalisation: { mean: [0.1, 0.2, 0.3], std: [1, 1, 1] },
      padding: "symmetric",
    });
  });

  it("refuses what it cannot understand", () => {
    expect(() => info({ padding: "valid" })).toThrow(/"symmetric" or "tf_same"/);
    expect(() => info({ input_mean: "0,0,0" })).toThrow(/both or none/);
    for (const csrm_model of ["7", "null", '{"kind":"classifier"}']) {
      expect(() => info({ csrm_model })).toThrow(
        "info.safetensors: the description in its metadata is not one of a network",
      );
    }
    expect(() => info({ csrm_model: "{" })).toThrow("is not JSON");
    expect(() => info({ input_mean: "0,0,", input_std: "1,1,1" })).toThrow(/three numbers/);
  });
});

const weights = process.env.CSRM_WEIGHTS;
const data = process.env.CSRM_DATA;

describe.skipIf(!weights || !data)("the ImageNet MobileNetV2 (needs CSRM_WEIGHTS and CSRM_DATA)", () => {
  it("fits strictly, and its classifier sees the animals in photographs that are tagged with them", async () => {
    const file = path.join(weights!, "mobilenet_v2-imagenet.safetensors");
    const { normalisation, padding } = readWeightsInfo(file);
    expect({ normalisation, padding }).toEqual({
      normalisation: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
      padding: "tf_same",
    });
    const backbone = createBackbone("mobilenet_v2", { outputStride: 32, padding, classes: 1000 }).eval();
    expect(loadBackboneWeights(backbone, file).leftOver).toEqual([]);

    const bare = createBackbone("mobilenet_v2", { padding });
    expect(loadBackboneWeights(bare, file).leftOver).toEqual(["classifier.1.weight", "classifier.1.bias"]);

    const { mean, std } = normalisation!;
    // Ranges of the ImageNet-1k classes: tabby … Egyptian cat, and the dogs.
    for (const [tag, from, to] of [
      ["cat", 281, 285],
      ["dog", 151, 268],
    ] as const) {
      const ids = photographsOf(tag, 10);
      let hits = 0;
      for (const id of ids) {
        const image = await pixels(path.join(data!, "voc12-mini", "JPEGImages", id));
        hits += scope(() => {
          const x = image().sub(mean[0]).div(std[0]);
          const scores = noGrad(() => backbone.classify(backbone.forward(x).high));
          const best = scores.topk(5)[1].toArray();
          return best.some((index) => index >= from && index <= to) ? 1 : 0;
        });
      }
      expect(hits, `${tag} in the top 5 of ${ids.length} photographs`).toBeGreaterThanOrEqual(7);
    }
  });

  /** Files of the first photographs with this tag only. */
  function photographsOf(tag: string, count: number): string[] {
    const rows = readFileSync(path.join(data!, "voc12-mini", "tags.csv"), "utf8")
      .trim()
      .split("\n")
      .slice(1);
    const files = rows.map((row) => row.trim().split(",")).filter(([, tags]) => tags === tag);
    return files.slice(0, count).map(([file]) => file!);
  }

  /** RGB in 0–1 at 224×224, [1, 3, 224, 224]. */
  async function pixels(file: string): Promise<() => Tensor> {
    const { data: bytes } = await sharp(file)
      .resize(224, 224, { fit: "cover" })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return () => fromTypedArray(new Uint8Array(bytes), [1, 224, 224, 3]).permute([0, 3, 1, 2]).float().div(255);
  }
});
