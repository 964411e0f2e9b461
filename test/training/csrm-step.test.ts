import { describe, expect, it } from "vitest";
import { Rng } from "../../src/data/rng.ts";
import { classificationLoss } from "../../src/losses/classification.ts";
import { entropy } from "../../src/losses/entropy.ts";
import { resizeBilinear } from "../../src/losses/functional.ts";
import { segmentationLoss } from "../../src/losses/segmentation.ts";
import { full, grad, liveTensors, noGrad, scope, type Tensor, tensor } from "../../src/torch/index.ts";
import { csrmStep } from "../../src/training/csrm-step.ts";
import { pseudoLabels } from "../../src/training/pseudo-labels.ts";
import { termsAt } from "../../src/training/step-terms.ts";
import { supervise } from "../../src/training/supervision.ts";
import { smallRecipe, stepInput, type TinyNetwork } from "./tiny-network.ts";

const off = { probability: 0, scope: "image" } as const;
const warm = { step: 3, warmup: 10, steps: 110 };

describe("a training step", () => {
  it("computes every loss after the warm-up, and their weighted sum", () => {
    const input = stepInput({ recipe: smallRecipe({ segmentation: { weight: 2, tags_weight: 0.5 } }) });
    for (let c = 0; c < 4; c++) input.bank.push(c, input.images.flatten().narrow(0, 0, 80).reshape([10, 8]));
    const { losses, total } = csrmStep(input);
    const values = Object.fromEntries(Object.entries(losses).map(([name, loss]) => [name, loss.item()]));
    expect(Object.keys(values).sort()).toEqual([
      "classification",
      "contrast",
      "s2c",
      "segmentation",
      "tags",
      "unsupervised",
    ]);
    for (const value of Object.values(values)) expect(value).toBeGreaterThan(0);
    // t = 0.2, so the weight of L_s2c is 0.1 + 0.9 · 0.2.
    const wanted =
      values.classification! +
      2 * values.segmentation! +
      0.5 * values.tags! +
      0.28 * values.s2c! +
      values.unsupervised! +
      values.contrast!;
    expect(total.item()).toBeCloseTo(wanted, 5);
  });

  it("sends gradients to every part of the student and none to the teacher", () => {
    const input = stepInput();
    for (let c = 0; c < 4; c++) input.bank.push(c, input.images.flatten().narrow(0, 0, 80).reshape([10, 8]));
    csrmStep(input).total.backward();
    for (const [name, weight] of Object.entries(input.student.weights)) {
      expect(weight.grad!.abs().sum().item(), name).toBeGreaterThan(0);
      expect(weight.grad!.isfinite().all().item(), name).toBe(1);
    }
    for (const weight of Object.values(input.teacher.weights)) expect(weight.grad).toBeNull();
  });

  it("asks the teacher twice, first without dropout, and computes no output that nobody reads", () => {
    const input = stepInput();
    csrmStep(input);
    expect(input.teacher.calls).toEqual([
      { training: false, outputs: { cam: true, seg: true, rep: false } },
      { training: true, outputs: { cam: false, seg: true, rep: true } },
    ]);
    expect(input.student.calls).toEqual([{ training: true, outputs: { cam: true, seg: true, rep: true } }]);
    const plain = stepInput({ recipe: smallRecipe({ unsupervised: { weight: 0 }, contrast: { weight: 0 } }) });
    csrmStep(plain);
    expect(plain.teacher.calls).toEqual([{ training: false, outputs: { cam: true, seg: true, rep: false } }]);
  });

  it("can do with one look of the teacher, whose maps are then mixed along", () => {
    const recipe = smallRecipe({ ema: { second_look: false } });
    const input = stepInput({ recipe });
    const { losses } = csrmStep(input);
    expect(input.teacher.calls).toEqual([{ training: false, outputs: { cam: true, seg: true, rep: true } }]);
    expect(Object.keys(losses)).toHaveLength(5);
    for (const loss of Object.values(losses)) expect(Number.isFinite(loss.item())).toBe(true);
    // A teacher without dropout sees in an image that nothing was pasted on what it saw before.
    const still = (second_look: boolean) => {
      const unmixed = stepInput({ recipe: smallRecipe({ ema: { second_look }, classmix: off }) });
      unmixed.teacher.train = () => unmixed.teacher;
      unmixed.teacher.training = false;
      return Object.values(csrmStep(unmixed).losses).map((loss) => loss.item());
    };
    expect(still(false)).toEqual(still(true));
  });

  it("mixes the one look's maps as it mixes images", () => {
    const mixed = (second_look: boolean) => {
      const input = stepInput({
        recipe: smallRecipe({ ema: { second_look }, classmix: { probability: 1, scope: "image" } }),
      });
      input.teacher.train = () => input.teacher;
      input.teacher.training = false;
      const outcome = supervise(input, termsAt(input.recipe, input.progress));
      expect(outcome.mixed).toBeGreaterThan(0);
      return outcome.noisy!;
    };
    const [looked, alongside] = [mixed(true), mixed(false)];
    // The tiny teacher sees blocks of four by four pixels: where a block is pasted whole or not at all, both ways agree.
    const differing = (a: Tensor, b: Tensor) => a.sub(b).abs().amax(1).gt(1e-5).to("float32").mean().item();
    expect(differing(looked.probabilities, alongside.probabilities)).toBeLessThan(0.1);
    expect(differing(looked.rep!, alongside.rep!)).toBeLessThan(0.1);
    expect(alongside.entropies!.shape).toEqual(looked.entropies!.shape);
  });

  it("learns only from tags and pseudo-labels during the warm-up", () => {
    const input = stepInput({ progress: warm });
    const { losses } = csrmStep(input);
    expect(Object.keys(losses)).toEqual(["classification", "segmentation"]);
    expect(input.teacher.calls).toEqual([{ training: false, outputs: { cam: true, seg: false, rep: false } }]);
    expect(input.bank.size(1)).toBe(0);
  });

  it("takes the pseudo-labels of the teacher's CAMs and the tags of all images, unmixed when nothing is mixed", () => {
    const input = stepInput({ progress: warm, recipe: smallRecipe({ classmix: off, label_smoothing: 0.1 }) });
    const { losses, stats } = csrmStep(input);
    const { cam } = noGrad(() => input.teacher.train(false).forward(input.images, { cam: true }));
    const first = (x: Tensor) => x.narrow(0, 0, 2);
    const labels = pseudoLabels({
      cams: first(cam!),
      tags: first(input.tags),
      pixels: first(input.pixels),
      options: input.recipe.pseudo_labels,
    });
    const logits = input.student.forward(input.images, {}).logits;
    expect(losses.classification!.item()).toBeCloseTo(
      classificationLoss(logits, input.tags, { smoothing: 0.1 }).item(),
      6,
    );
    expect(stats.mixed).toBe(0);
    expect((stats.pseudo_void as Tensor).item()).toBeCloseTo(labels.eq(255).to("float32").mean().item(), 6);

    // The student's segmentation is random through dropout; without weights there it is constant.
    const flat = stepInput({ progress: warm, recipe: smallRecipe({ classmix: off }) });
    for (const network of [flat.student, flat.teacher]) noGrad(() => network.weights.segmentation.zero_());
    const constant = segmentationLoss(full([2, 4, 8, 8], 0), labels);
    expect(csrmStep(flat).losses.segmentation!.item()).toBeCloseTo(constant.item(), 6);
  });

  it("teaches the unlabelled half with the teacher's tag-restricted classes where its noisy look is of low entropy", () => {
    const recipe = smallRecipe({ classmix: off, unsupervised: { reliable: 0.5 } });
    const input = stepInput({ recipe });
    // Without dropout both looks are the same and can be repeated here.
    const still = (network: TinyNetwork) => {
      network.train = () => network;
      network.training = false;
    };
    for (const network of [input.student, input.teacher]) still(network);
    const loss = csrmStep(input).losses.unsupervised!.item();
    const upsampled = (network: TinyNetwork) =>
      resizeBilinear(network.forward(input.images.narrow(0, 2, 2), { seg: true }).seg!, [32, 32]).detach();
    const teacher = upsampled(input.teacher).softmax(1).toArray();
    const entropies = entropy(upsampled(input.teacher).softmax(1)).toArray();
    const logProbabilities = upsampled(input.student).logSoftmax(1).toArray();
    const tags = input.tags.narrow(0, 2, 2).toArray();
    const median = [...entropies].sort((a, b) => a - b);
    const threshold = (median[1023]! + median[1024]!) / 2;
    let sum = 0;
    let kept = 0;
    for (let i = 0; i < 2048; i++) {
      if (entropies[i]! > threshold) continue;
      const [b, pixel] = [Math.floor(i / 1024), i % 1024];
      const at = (values: number[], c: number) => values[(b * 4 + c) * 1024 + pixel]!;
      let best = 0;
      for (let c = 1; c < 4; c++) if (tags[b * 3 + c - 1] === 1 && at(teacher, c) > at(teacher, best)) best = c;
      sum -= at(logProbabilities, best);
      kept++;
    }
    expect(loss).toBeCloseTo(sum / kept, 4);
  });

  it("is the same again for the same seeds and another for other mixes", () => {
    const total = (rng: number) => csrmStep(stepInput({ rng: new Rng(rng) })).total.item();
    expect(total(4)).toBe(total(4));
    expect(new Set([4, 5, 6, 7].map(total)).size).toBeGreaterThan(1);
  });

  it("mixes images and says how many", () => {
    const all = { classmix: { probability: 1, scope: "batch" } };
    const { stats } = csrmStep(stepInput({ recipe: smallRecipe(all), progress: warm }));
    expect(stats.mixed).toBeGreaterThan(0);
    const plain = csrmStep(stepInput({ recipe: smallRecipe({ classmix: off }), progress: warm }));
    expect(plain.stats.mixed).toBe(0);
    expect((plain.stats.pseudo_foreground as Tensor).item()).toBeGreaterThan(0);
  });

  it("lowers its losses when its gradient is followed", () => {
    const input = stepInput({ recipe: smallRecipe({ classmix: off }), progress: warm });
    const first = csrmStep(input).total.item();
    for (let i = 0; i < 20; i++) {
      scope(() => {
        const weights = Object.values(input.student.weights);
        const gradients = grad([csrmStep(input).total], weights);
        noGrad(() => {
          for (const [k, weight] of weights.entries()) if (gradients[k]) weight.sub_(gradients[k].mul(0.1));
        });
      });
    }
    expect(csrmStep(input).total.item()).toBeLessThan(0.9 * first);
  });

  it("stays finite without tags, with empty tags, and with only one half", () => {
    const finite = (changes: Parameters<typeof stepInput>[0]) => {
      const input = stepInput(changes);
      const { total, losses } = csrmStep(input);
      total.backward();
      expect(Number.isFinite(total.item())).toBe(true);
      for (const weight of Object.values(input.student.weights)) {
        const gradient = weight.grad;
        if (gradient) expect(gradient.isfinite().all().item()).toBe(1);
      }
      return losses;
    };
    const untagged = finite({ tags: full([4, 3], -1) });
    expect([untagged.classification!.item(), untagged.segmentation!.item()]).toEqual([0, 0]);
    const empty = finite({ tags: full([4, 3], 0) });
    expect(empty.segmentation!.item()).toBeGreaterThan(0);
    finite({
      tags: tensor([
        [1, 0, 0],
        [0, 0, 0],
        [-1, -1, -1],
        [0, 1, 1],
      ]),
    });
    expect(finite({ labelled: 4 }).unsupervised!.item()).toBe(0);
    expect(finite({ labelled: 0 }).segmentation!.item()).toBe(0);
  });

  it("gives nearly the same losses with networks in bfloat16", () => {
    const still = (precision: "fp32" | "bf16") => {
      const input = stepInput({ precision, progress: warm, recipe: smallRecipe({ classmix: off }) });
      input.student.training = false;
      return csrmStep(input);
    };
    const [exact, half] = [still("fp32"), still("bf16")];
    expect(half.total.dtype).toBe("float32");
    expect(half.losses.classification!.item()).toBeCloseTo(exact.losses.classification!.item(), 1);
    expect(Number.isFinite(csrmStep(stepInput({ precision: "bf16" })).total.item())).toBe(true);
  });

  it("leaves no tensors behind from step to step", () => {
    const input = stepInput();
    const run = () => scope(() => csrmStep(input).total.backward());
    run();
    const before = liveTensors();
    for (let i = 0; i < 3; i++) run();
    expect(liveTensors()).toBe(before);
  });
});
