/** The method on every device of this machine, held against the CPU in double precision; a GPU is tested where there is one. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, it } from "vitest";
import { Predictor } from "../src/inference/predictor.ts";
import { labelMapOf } from "../src/inference/pseudo-labels.ts";
import { MemoryBank } from "../src/losses/memory-bank.ts";
import type { CSRM } from "../src/models/csrm.ts";
import { buildModel } from "../src/models/model-file.ts";
import { imagenet } from "../src/models/registry.ts";
import { silentProgress } from "../src/progress.ts";
import { Stage } from "../src/run-stage.ts";
import { type Device, type DType, liveTensors, noGrad, scope, setTf32, type Tensor } from "../src/torch/index.ts";
import { Dropout } from "../src/torch/nn/index.ts";
import { csrmStep } from "../src/training/csrm-step.ts";
import { prepare } from "../src/training/network.ts";
import { pseudoLabels } from "../src/training/pseudo-labels.ts";
import { openRecipeData } from "../src/training/recipe-data.ts";
import { pretrainStage, trainStage } from "../src/training/stages.ts";
import { describeOnDevices } from "./helpers/devices.ts";
import { fillInput, fillModule } from "./helpers/fill.ts";
import { temporaryFolder, tinyData, tinyRecipe } from "./helpers/tiny.ts";
import { picture, tinyNetwork } from "./inference/tiny.ts";
import { CLASSES, smallRecipe, stepInput, type TinyNetwork, type TinyStep } from "./training/tiny-network.ts";

/** The largest difference between two tensors ÷ the largest value. */
function distance(a: Tensor, b: Tensor): number {
  return scope(() => {
    const [x, y] = [a, b].map((one) => one.detach().to({ device: "cpu", dtype: "float64" })) as [Tensor, Tensor];
    return x.sub(y).abs().max().item() / Math.max(x.abs().max().item(), 1e-12);
  });
}

describeOnDevices("on $device", ({ device }) => {
  it("CSRM's outputs and gradients are those of the CPU", () => {
    const once = (where: Device) => {
      const model = tinyNetwork("csrm").model as CSRM;
      model.to({ device: where, dtype: "float64" }).eval();
      const x = fillInput("images", [2, 3, 48, 64]).to({ device: where, dtype: "float64" });
      const { logits, cam, seg, rep } = model.forward(x);
      [cam!, seg!, rep!].reduce((sum, out) => sum.add(out.mul(out).mean()), logits.sum()).backward();
      const gradients = [...model.namedParameters()].map(([name, parameter]) => [name, parameter.grad] as const);
      return { logits, cam: cam!, seg: seg!, rep: rep!, gradients };
    };
    const [here, there] = [once("cpu"), once(device)];
    for (const name of ["logits", "cam", "seg", "rep"] as const) {
      expect(there[name].device.startsWith(device), name).toBe(true);
      expect(distance(here[name], there[name]), name).toBeLessThan(1e-9);
    }
    for (const [i, [name, gradient]] of here.gradients.entries()) {
      expect(gradient === null, name).toBe(there.gradients[i]![1] === null);
      if (gradient) expect(distance(gradient, there.gradients[i]![1]!), name).toBeLessThan(1e-8);
    }
  });

  it.runIf(device !== "cpu")("a ResNeSt's outputs and gradients are those of the CPU", () => {
    const state = noGrad(() => {
      const model = resnestCsrm();
      fillModule(model, "network");
      return model;
    });
    const once = (where: Device) => {
      const model = resnestCsrm();
      model.copyFrom(state);
      prepare(model, { batch_norm: "frozen", freeze: "none" }, where);
      // Dropout draws differently on a GPU; everything else is as in training.
      Dropout.prototype.forward = (x: Tensor) => x;
      const x = fillInput("images", [2, 3, 64, 64]).to({ device: where });
      const { logits, cam, seg, rep } = model.forward(x);
      [cam!, seg!, rep!].reduce((sum, out) => sum.add(out.mul(out).mean()), logits.sum()).backward();
      const gradients = [...model.namedParameters()].map(([name, parameter]) => [name, parameter.grad] as const);
      return { outputs: [logits, cam!, seg!, rep!], gradients };
    };
    const forward = Dropout.prototype.forward;
    const tf32 = setTf32(false);
    try {
      const [here, there] = [once("cpu"), once(device)];
      for (const [i, output] of here.outputs.entries()) expect(distance(output, there.outputs[i]!)).toBeLessThan(1e-4);
      for (const [i, [name, gradient]] of here.gradients.entries()) {
        expect(gradient === null, name).toBe(there.gradients[i]![1] === null);
        // ReLUs that change sides amplify rounding: noise of 1e-5 on all convolutions moves single values by 1.4e-2.
        if (gradient) expect(distance(gradient, there.gradients[i]![1]!), name).toBeLessThan(3e-2);
      }
    } finally {
      Dropout.prototype.forward = forward;
      setTf32(tf32);
    }
  });

  it("pseudo-labels are those of the CPU, and stay on the device", () => {
    const { images, pixels, tags, teacher, recipe } = stepInput();
    const { cam } = noGrad(() => teacher.train(false).forward(images, { cam: true }));
    for (const crf_input of ["hard", "soft"] as const) {
      const options = { ...recipe.pseudo_labels, crf_input };
      const labels = (where: Device) => {
        const on = (tensor: Tensor) => tensor.to({ device: where });
        return pseudoLabels({ cams: on(cam!), tags: on(tags), pixels, options });
      };
      const [here, there] = [labels("cpu"), labels(device)];
      expect(there.device.startsWith(device)).toBe(true);
      // On a GPU the CRF is another program, so pixels between two nearly equal labels may change sides.
      expect(there.to({ device: "cpu" }).ne(here).sum().item()).toBeLessThan(here.numel / 500);
    }
  });

  it("a step's losses and gradients are those of the CPU", () => {
    // Without the losses that look at what dropout left or draw pixels at random.
    const recipe = smallRecipe({ unsupervised: { weight: 0 }, contrast: { weight: 0 } });
    const once = (where: Device) => {
      const input = onDevice(stepInput({ recipe }), where, "float64");
      input.student.train = () => input.student;
      input.student.training = false;
      const output = csrmStep(input);
      output.total.backward();
      return { losses: output.losses, weights: input.student.weights };
    };
    const [here, there] = [once("cpu"), once(device)];
    expect(Object.keys(there.losses).length).toBeGreaterThan(2);
    for (const [name, loss] of Object.entries(here.losses)) {
      expect(there.losses[name as keyof typeof there.losses]!.item(), name).toBeCloseTo(loss.item(), 9);
    }
    for (const name of ["stem", "classifier", "segmentation"] as const) {
      expect(distance(here.weights[name].grad!, there.weights[name].grad!), name).toBeLessThan(1e-8);
    }
  });

  it("every loss is there and finite, in half precision too, and no tensor is left behind", () => {
    const precisions = ["fp32", "bf16", ...(device === "cpu" ? [] : (["fp16"] as const))] as const;
    for (const precision of precisions) {
      const input = onDevice(stepInput({ precision }), device, "float32");
      for (let step = 0; step < 2; step++) {
        const before = liveTensors();
        const values = scope(() => {
          const { losses, total } = csrmStep(input);
          total.backward();
          return Object.values(losses).map((loss) => loss.item());
        });
        expect(values).toHaveLength(5);
        expect(values.every(Number.isFinite)).toBe(true);
        if (step > 0) expect(liveTensors()).toBe(before);
      }
    }
  });

  it("predictions are those of the CPU", () => {
    const labels = (where: Device) => {
      const network = tinyNetwork("csrm");
      network.model.to({ device: where });
      using predictor = new Predictor(network, { scales: [1], source: "mean", device: where });
      return labelMapOf(predictor.predictImage(picture(50, 37), Uint8Array.of(1, 0, 1)), {
        source: "mean",
        threshold: 0.4,
      });
    };
    const [here, there] = [labels("cpu"), labels(device)];
    const other = there.data.filter((label, i) => label !== here.data[i]).length;
    // Convolutions on a GPU round to 10 bits by default, so pixels on a border may change sides.
    expect(other / here.data.length).toBeLessThan(0.02);
  });
});

let root: string;
beforeAll(async () => {
  root = await tinyData();
  rmSync(path.join(root, "SegmentationClass"), { recursive: true });
});

describeOnDevices("training on $device", ({ device }) => {
  it("stops, goes on from its checkpoint and ends with a network", async () => {
    const recipe = tinyRecipe(root, [`device=${device}`]);
    const dataset = await openRecipeData(recipe, recipe.data.lists.train);
    const options = (name: "pretrain" | "train", stop = () => false) => ({
      ...{ stage: new Stage(name, folders[name]), recipe, dataset, progress: silentProgress, stop },
    });
    const folders = { pretrain: temporaryFolder("pretrain"), train: temporaryFolder("train") };
    const { model: start } = await pretrainStage(options("pretrain"));
    let asked = 0;
    const first = await trainStage({ ...options("train", () => ++asked >= 3), start });
    expect(first.finished).toBe(false);
    const second = await trainStage({ ...options("train"), start });
    expect(second.finished).toBe(true);
    expect(existsSync(second.model)).toBe(true);
    const records = readFileSync(path.join(folders.train, "metrics.jsonl"), "utf8").trimEnd().split("\n");
    expect(records.map((line) => JSON.parse(line).step)).toEqual(records.map((_, i) => i + 1));
    for (const line of records) expect(Number.isFinite(JSON.parse(line).total)).toBe(true);
  });
});

function resnestCsrm(): CSRM {
  return buildModel({
    ...imagenet,
    ...{
      kind: "csrm",
      backbone: "resnest50",
      outputStride: 16,
      padding: "symmetric",
      headChannels: 32,
      decoderStride: 4,
    },
    classes: { ids: [0, 1, 2, 3], names: ["a", "b", "c", "d"] },
  });
}

/** The same step on another device. */
function onDevice(input: TinyStep, device: Device, dtype: DType): TinyStep {
  const move = (tensor: Tensor) => tensor.detach().to({ device, dtype });
  for (const network of [input.student, input.teacher]) {
    for (const [name, weight] of Object.entries(network.weights)) {
      network.weights[name as keyof TinyNetwork["weights"]] = move(weight);
    }
  }
  input.student.learning();
  const bank = new MemoryBank({ classes: CLASSES + 1, channels: 8, foreground: 200, background: 300, device });
  for (let c = 0; c <= CLASSES; c++) bank.push(c, move(input.images).flatten().narrow(0, 0, 80).reshape([10, 8]));
  return { ...input, images: move(input.images), tags: move(input.tags), bank };
}
