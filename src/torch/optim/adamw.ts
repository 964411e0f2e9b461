/** Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with PyTorch's order of operations. */
import { expected } from "../../errors.ts";
import { tensor } from "../creation.ts";
import { op } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { type Active, Optimizer, type ParameterGroup, StateSlot } from "./optimizer.ts";

export interface AdamWOptions {
  /** Decay of the first and second moment, default [0.9, 0.999]. */
  betas?: readonly [number, number];
  eps?: number;
}

export class AdamW extends Optimizer {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly #first = new StateSlot("exp_avg");
  readonly #second = new StateSlot("exp_avg_sq");
  readonly #steps = new Map<string, number>();

  constructor(groups: readonly ParameterGroup[], { betas = [0.9, 0.999], eps = 1e-8 }: AdamWOptions = {}) {
    super(groups);
    for (const beta of betas) if (!(beta >= 0 && beta < 1)) throw expected("numbers in [0, 1)", "betas", betas);
    this.betas = betas;
    this.eps = eps;
  }

  protected override update({ lr, weightDecay }: ParameterGroup, active: readonly Active[]): void {
    const [beta1, beta2] = this.betas;
    const parameters = active.map((a) => a.parameter);
    const gradients = active.map((a) => a.gradient);
    const slot = (state: StateSlot) =>
      active.map((a) => state.get(a.name) ?? state.set(a.name, ops.zerosLike(a.parameter)));
    const first = slot(this.#first);
    const second = slot(this.#second);
    const steps = active.map((a) => (this.#steps.get(a.name) ?? 0) + 1);
    active.forEach((a, i) => {
      this.#steps.set(a.name, steps[i]!);
    });

    if (weightDecay !== 0) ops.mul_(parameters, 1 - lr * weightDecay);
    ops.mul_(first, beta1);
    ops.add_(first, gradients, 1 - beta1);
    ops.mul_(second, beta2);
    ops.addcmul_(second, gradients, gradients, 1 - beta2);
    const denominator = ops.sqrt(second);
    ops.divList_(
      denominator,
      steps.map((step) => Math.sqrt(1 - beta2 ** step)),
    );
    ops.addScalar_(denominator, this.eps);
    ops.addcdivList_(
      parameters,
      first,
      denominator,
      steps.map((step) => -lr / (1 - beta1 ** step)),
    );
  }

  override stateDict(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    this.#first.save(state);
    this.#second.save(state);
    for (const [name, step] of this.#steps) state.set(`${name}.step`, tensor(step, { dtype: "int64" }));
    return state;
  }

  override loadStateDict(state: ReadonlyMap<string, Tensor>): void {
    const parameters = this.named();
    let count = this.#first.load(state, parameters) + this.#second.load(state, parameters);
    this.#steps.clear();
    for (const [key, value] of state) {
      if (!key.endsWith(".step")) continue;
      this.#steps.set(key.slice(0, -".step".length), value.item());
      count++;
    }
    if (count !== state.size)
      throw expected("exp_avg, exp_avg_sq and step", "AdamW state", [...state.keys()].slice(0, 5));
  }
}

const ops = {
  mul_: op("aten::_foreach_mul_.Scalar"),
  add_: op("aten::_foreach_add_.List"),
  addScalar_: op("aten::_foreach_add_.Scalar"),
  addcmul_: op("aten::_foreach_addcmul_.Scalar"),
  sqrt: op("aten::_foreach_sqrt"),
  divList_: op("aten::_foreach_div_.ScalarList"),
  addcdivList_: op("aten::_foreach_addcdiv_.ScalarList"),
  zerosLike: op("aten::zeros_like"),
};
