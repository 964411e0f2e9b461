import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it, onTestFinished, vi } from "vitest";
import type { WeightsReport } from "../../../src/cli/weights-report.ts";
import { openTensorFile } from "../../../src/formats/tensor-file.ts";
import { encodeTorchFile } from "../../../src/formats/torch-writer.ts";
import { Classifier } from "../../../src/models/classifier.ts";
import { CSRM } from "../../../src/models/csrm.ts";
import { loadStartClassifier, type Statement } from "../../../src/models/load-weights.ts";
import { type ModelInfo, openModel, saveModel } from "../../../src/models/model-file.ts";
import { createBackbone } from "../../../src/models/registry.ts";
import { saveTensors } from "../../../src/torch/serialization.ts";
import { CheckpointFolder } from "../../../src/training/checkpoint.ts";
import { csrm } from "../../helpers/cli.ts";
import { serveFile } from "../../helpers/file-server.ts";
import { fillModule } from "../../helpers/fill.ts";
import { puzzleNames, storedFrom } from "../../helpers/stored.ts";
import { hasTorch, runPython } from "../../helpers/torch-python.ts";

const folder = mkdtempSync(path.join(tmpdir(), "csrm-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string) => path.join(folder, name);

const network = new CSRM({ backbone: createBackbone("resnet18"), classes: 2, headChannels: 8 });
fillModule(network);
const classifier = new Classifier({ backbone: network.backbone, classes: 2 });
fillModule(classifier);
const info: ModelInfo = {
  ...{ kind: "csrm", backbone: "resnet18", outputStride: 16, padding: "symmetric", headChannels: 8 },
  ...{ decoderStride: 4, classes: { ids: [0, 1, 2], names: ["background", "cat", "dog"] } },
  ...{ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
};
const classes = inFolder("classes.txt");
writeFileSync(classes, "0 background\n1 cat\n2 dog\n");

const puzzle = inFolder("puzzle.pth");
writeFileSync(puzzle, Buffer.concat(encodeTorchFile(storedFrom(classifier.stateDict(), puzzleNames))));
const authors = inFolder("authors.pth");
writeFileSync(authors, Buffer.concat(encodeTorchFile(storedFrom(network.stateDict(), (key) => [`module.${key}`]))));

/** As training writes it: no description of the network beside the numbers. */
function trainingCheckpoint(): string {
  const checkpoints = new CheckpointFolder({ folder: inFolder("checkpoints"), stage: "train" });
  checkpoints.save(7, { tensors: { student: network.stateDict(), teacher: network.stateDict() }, state: { epoch: 1 } });
  return checkpoints.last;
}

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await csrm("weights", ...args, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as T;
}

/** Every number of a file by name, as bytes. */
function content(file: string): Record<string, string> {
  using opened = openTensorFile(file);
  return Object.fromEntries(
    [...opened.tensors].map(([key, { read }]) => [key, Buffer.from(read()).toString("base64")]),
  );
}

describe("csrm weights inspect", () => {
  it("tells what a Puzzle-CAM classifier is and what it can start", async () => {
    const report = await json<WeightsReport>("inspect", puzzle);
    const learnt = classifier.parameters().reduce((sum, { numel }) => sum + numel, 0);
    expect(report).toMatchObject({
      format: "torch-zip",
      layout: "puzzle-cam",
      backbone: "resnet18",
      classes: 2,
      parameters: learnt,
      starts: ["backbone", "classifier"],
    });
    expect(report.tensors.find(({ name }) => name === "stage1.0.weight")).toEqual({
      name: "stage1.0.weight",
      place: "backbone.conv1.weight",
      known: true,
      dtype: "float32",
      shape: [64, 3, 7, 7],
    });
  });

  it("says so in words, with every name where asked", async () => {
    const short = await csrm("weights", "inspect", authors);
    expect(short.stdout).toContain("layout             a CSRM network\n");
    expect(short.stdout).toContain(
      "serves as          model.weights of a recipe; --start of csrm train, once converted with --for classifier; " +
        "csrm predict, once converted with --for csrm --classes\n",
    );
    expect(short.stdout).not.toContain("aspp");
    const long = await csrm("weights", "inspect", authors, "--keys");
    expect(long.stdout).toMatch(/module\.aspp\.bn1\.bias +float32 \[8\] +→ aspp\.bn1\.bias/);
  });

  it("lists the names that it does not know, and what lies beside the tensors", async () => {
    const checkpoint = new URL("../../golden/torch-checkpoint.pth", import.meta.url).pathname;
    const { stdout } = await csrm("weights", "inspect", checkpoint);
    expect(stdout).toContain("section state_dict");
    expect(stdout).toContain("serves as          nothing that csrm starts from");
    expect(stdout).toContain("7 names that no layout knows:\n  0.weight ");
    expect(stdout).toContain("beside: epoch      3");
  });

  it("says of networks of ours where they are taken as they are", async () => {
    const [whole, start] = [inFolder("whole.safetensors"), inFolder("first.safetensors")];
    saveModel(whole, network, info);
    saveModel(start, classifier, { ...info, kind: "classifier" });
    expect(await json<WeightsReport>("inspect", whole)).toMatchObject({
      starts: ["backbone", "classifier", "csrm"],
      direct: ["backbone", "csrm"],
    });
    expect((await csrm("weights", "inspect", whole)).stdout).toContain(
      "serves as          model.weights of a recipe; --start of csrm train, once converted with --for classifier; csrm predict\n",
    );
    expect(() => loadStartClassifier(network, whole)).toThrow("csrm weights convert --for classifier");
    expect((await json<WeightsReport>("inspect", start)).direct).toEqual(["backbone", "classifier"]);
    expect((await csrm("weights", "inspect", start)).stdout).toContain(
      "serves as          model.weights of a recipe; --start of csrm train; csrm predict, by its activation maps\n",
    );
  });

  it("says of a checkpoint of ours what to take instead, as convert does", async () => {
    const checkpoint = trainingCheckpoint();
    const { starts, checkpoint: stage } = await json<WeightsReport>("inspect", checkpoint);
    expect([starts, stage]).toEqual([["backbone"], "train"]);
    const { stdout } = await csrm("weights", "inspect", checkpoint);
    expect(stdout).toContain("serves as          model.weights of a recipe\n");
    expect(stdout).toMatch(/note +a checkpoint .* use RUN\/train\/model\.safetensors.* predict\.checkpoint: step-N/);
    expect(stdout).not.toContain("csrm_checkpoint");
  });

  it("names a file that is missing or no file of weights", async () => {
    expect((await csrm("weights", "inspect", inFolder("absent.pth"))).stderr).toContain("absent.pth: no such file");
    const refused = await csrm("weights", "inspect", classes);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining("classes.txt: it is none of safetensors"),
    ]);
  });
});

describe("csrm weights convert", () => {
  it("keeps names and numbers in another format without --for", async () => {
    const [there, back] = [inFolder("plain.safetensors"), inFolder("back.pth")];
    await json("convert", puzzle, "--to", there);
    await json("convert", there, "--to", back);
    expect(content(back)).toEqual(content(puzzle));
  });

  it("makes a backbone, a start classifier and a network of other programs' files", async () => {
    const backbone = await json<{ leftOver: string[] }>(
      "convert",
      puzzle,
      "--for",
      "backbone",
      "--to",
      inFolder("b.pth"),
    );
    expect(backbone.leftOver).toEqual(["classifier.weight"]);
    expect(Object.keys(content(inFolder("b.pth")))).toEqual([...network.backbone.stateDict().keys()]);

    const start = inFolder("start.safetensors");
    await json("convert", puzzle, "--for", "classifier", "--classes", classes, "--to", start);
    const opened = openModel(start);
    expect(opened.info).toMatchObject({
      kind: "classifier",
      backbone: "resnet18",
      outputStride: 16,
      padding: "symmetric",
    });
    expect(opened.info.classes).toEqual({ ids: [0, 1, 2], names: ["background", "cat", "dog"] });
    expect(opened.model.classifier.weight.toArray()).toEqual(classifier.classifier.weight.toArray());
    opened.model.dispose();

    const whole = inFolder("model.safetensors");
    const options = ["--for", "csrm", "--classes", classes, "--output-stride", "8", "--decoder-stride", "8"];
    await json("convert", authors, ...options, "--to", whole);
    const { model, info } = openModel(whole);
    expect(info).toMatchObject({ kind: "csrm", headChannels: 8, outputStride: 8, decoderStride: 8 });
    expect((model as CSRM).decoder.stateDict().get("8.bias")!.toArray()).toEqual(
      network.decoder.stateDict().get("8.bias")!.toArray(),
    );
    model.dispose();
  });

  it("takes the start classifier out of a network of ours with what it says about itself", async () => {
    const ours = inFolder("ours.safetensors");
    saveModel(ours, network, info);
    const start = inFolder("from-ours.safetensors");
    await json("convert", ours, "--for", "classifier", "--to", start);
    const opened = openModel(start);
    expect(opened.info).toMatchObject({ kind: "classifier", mean: [0.5, 0.5, 0.5] });
    opened.model.dispose();
  });

  it("does not guess what a checkpoint of ours leaves unsaid", async () => {
    const to = inFolder("guessed.safetensors");
    for (const args of [["csrm", "--classes", classes], ["classifier"], ["backbone"]]) {
      const { code, stderr } = await csrm("weights", "convert", trainingCheckpoint(), "--for", ...args, "--to", to);
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/last\.safetensors: .*RUN\/train\/model\.safetensors.*predict\.checkpoint: step-N/),
      ]);
      expect(existsSync(to)).toBe(false);
    }
  });

  it("says what a PyTorch file cannot hold, and which keys of a recipe then have to", async () => {
    const [said, ours, pth] = [inFolder("said.safetensors"), inFolder("described.safetensors"), inFolder("lost.pth")];
    const metadata = { architecture: "resnet18", input_mean: "0.5,0.5,0.5", input_std: "0.25,0.25,0.25" };
    saveTensors(said, network.backbone.stateDict(), { ...metadata, padding: "tf_same", source: "somewhere" });
    const there = await csrm("weights", "convert", said, "--to", pth);
    expect(there.code).toBe(0);
    expect(there.stderr).toContain(
      `${pth} cannot hold what the weights say about themselves: mean (0.5,0.5,0.5), std (0.25,0.25,0.25), ` +
        "padding (tf_same), source (somewhere); a recipe that starts from it must say so: data.mean, data.std, model.padding\n",
    );
    const options = ["--for", "csrm", "--classes", classes, "--to"];
    type Lost = { lost: Statement[]; metadata: object };
    const { lost, metadata: left } = await json<Lost>("convert", authors, ...options, pth);
    expect(lost.map(({ what }) => what)).toEqual([
      "mean",
      "std",
      "padding",
      "output stride",
      "decoder stride",
      "classes",
    ]);
    expect(lost.at(-1)).toEqual({ what: "classes", value: "background,cat,dog", recipe: "data.classes" });
    expect(left).toEqual({});
    expect((await json<Lost>("convert", authors, ...options, ours)).lost).toEqual([]);
    expect((await csrm("weights", "convert", authors, "--to", pth)).stderr).toBe("");
  });

  it("refuses what does not fit with the names, unless a pattern allows it", async () => {
    const odd = inFolder("odd.pth");
    const lacking = ["classifier.weight", "backbone.bn1.num_batches_tracked"];
    const rename = (key: string) => (lacking.includes(key) ? [] : [key.replace("bn1.bias", "bn1.offset")]);
    writeFileSync(odd, Buffer.concat(encodeTorchFile(storedFrom(classifier.stateDict(), rename))));
    const to = ["--to", inFolder("odd.safetensors")];
    const strict = await csrm("weights", "convert", odd, "--for", "classifier", ...to);
    expect(strict.code).toBe(1);
    expect(strict.stderr).toMatch(
      /odd\.pth: .*10 keys missing: backbone\.bn1\.bias, .*9 keys unexpected: backbone\.bn1\.offset/,
    );
    const allow = ["--allow-missing", "bn1\\.bias$", "--allow-unexpected", "offset$", "--allow-missing", "^classifier"];
    const lax = await json<{ missing: string[] }>("convert", odd, "--for", "classifier", ...allow, ...to);
    expect(lax.missing).toContain("classifier.weight");
    const { stdout } = await csrm("weights", "convert", odd, "--for", "classifier", ...allow, ...to);
    expect(stdout).toMatch(/^missing, and not needed: \S+num_batches_tracked$/m);
    expect(stdout).toMatch(/^missing, allowed: backbone\.bn1\.bias, .* and 5 more$/m);
    const other = await csrm("weights", "convert", puzzle, "--for", "backbone", "--backbone", "resnet50", ...to);
    expect(other.stderr).toMatch(/missing: layer1\.0\.conv3\.weight.*of another shape/);
  });

  it.each<[string, string[]]>([
    [
      'expected 2 classes as in the file for --classes, got "20: aeroplane',
      ["--for", "classifier", "--classes", "voc"],
    ],
    ["expected --for for --backbone", ["--backbone", "resnet18"]],
    ["expected --classes for --subset", ["--for", "classifier", "--subset", "cat"]],
    ["that ends in .safetensors, .pth or .pt", ["--to", "x.bin"]],
    ["Expected a regular expression", ["--for", "classifier", "--allow-missing", "("]],
    ["expected another file than the one to convert", ["--to", puzzle]],
  ])("refuses wrong use: %s", async (message, args) => {
    const to = args.includes("--to") ? [] : ["--to", inFolder("never.safetensors")];
    const { code, stderr } = await csrm("weights", "convert", puzzle, ...args, ...to);
    expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  it.skipIf(!hasTorch)("writes what PyTorch loads with weights_only (needs Python with PyTorch)", () => {
    const script = "import sys, torch; print(len(torch.load(sys.argv[1], weights_only=True)))";
    expect(Number(runPython(script, authors))).toBe(network.stateDict().size);
  });
});

describe("csrm weights fetch", () => {
  it("lists what there is, with licences", async () => {
    const { weights } = await json<{ weights: { name: string; licence: string }[] }>("fetch");
    expect(weights).toContainEqual(expect.objectContaining({ name: "resnest269", licence: "Apache-2.0" }));
    expect((await csrm("weights", "fetch")).stdout).toMatch(/mobilenet_v2 +BSD-3-Clause +backbone trained on ImageNet/);
  });

  it("says offline what to put where, and refuses unknown names", async () => {
    vi.stubEnv("CSRM_CACHE", folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { code, stderr } = await csrm("weights", "fetch", "resnest101", "--offline");
    const file = inFolder("weights/resnest101-22405ba7.pth");
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(`download https://github.com/.*22405ba7.pth .*put it at ${file}`),
    ]);
    expect((await csrm("weights", "fetch", "resnest100")).stderr).toContain('did you mean "resnest101"');
  });

  it("leaves nothing where a mirror has another file", async () => {
    vi.stubEnv("CSRM_CACHE", folder);
    const server = await serveFile(new Uint8Array(3_000_000));
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await server.close();
    });
    const { code, stderr } = await csrm("weights", "fetch", "resnet18", "--mirror", new URL(server.url).origin);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining("where f37072fd was expected; it was deleted; download https"),
    ]);
    expect(stderr).toContain("resnet18  2/2");
    expect(readdirSync(inFolder("weights"))).toEqual([]);
  });
});
